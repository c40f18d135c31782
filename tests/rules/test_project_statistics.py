"""Sums in the forms that statistics want, for tables that were made by hand."""

from datetime import date
from uuid import UUID

import numpy as np
import pytest

from app.rules.project_statistics import (
    Dimension,
    Gold,
    ProjectStatistics,
    Repeated,
    Sided,
    Slice,
    Style,
    Totals,
    Week,
)
from app.rules.project_sums import Names, ProjectSums, differences
from app.rules.sparse_sums import summed

ADA, BOB, VERSION = UUID(int=1), UUID(int=2), UUID(int=7)
NAMES = {
    "annotator": [BOB.hex, ADA.hex], "tag": ["math", "safety"], "source": ["b", None, "a"],
    "guideline": [None, VERSION.hex], "layout": ["side_by_side"], "reason": ["typo"],
}  # fmt: skip


def sums_with(**tables) -> ProjectSums:
    """Each table is {key: values}."""
    found = {
        name: summed(
            np.array(list(rows), np.int64), np.array([[*v] for v in rows.values()], np.int64)
        )
        for name, rows in tables.items()
    }
    empty = ProjectSums()
    return ProjectSums(Names(NAMES), 9, {**empty.tables, **found})


def statistics_of(**tables) -> ProjectStatistics:
    return ProjectStatistics(sums_with(**tables), waiting=0)


def pattern(part, first=0, second=0, tie=0, both_bad=0, grades=(0, 0, 0, 0, 0, 0), counted=0):
    """The end of a key: preferences without a strength, and those with one by -3 … -1, 1 … 3."""
    return (counted, part, *grades[:3], tie, *grades[3:], first, second, both_bad)


def rows(table):
    return sorted(
        zip(
            table.groups.tolist(),
            map(tuple, table.counts.tolist()),
            table.items.tolist(),
            strict=True,
        )
    )


def test_a_table_has_the_patterns_of_its_slice_and_parts_as_units():
    found = statistics_of(
        tag={
            (0, *pattern(3, 2)): (3,),
            # Whatever their strength.
            (0, *pattern(3, 1, grades=(0, 1, 0, 0, 0, 0))): (2,),
            (0, *pattern(4, grades=(0, 0, 1, 0, 0, 1))): (2,),
            (1, *pattern(3, 0, 1, 1)): (1,),
        }
    )

    assert found.slices(Dimension.TAG) == [Slice("math", 7), Slice("safety", 1)]
    table = found.table(Dimension.TAG, "math")
    assert rows(table) == [(3, (2, 0, 0, 0), 5), (4, (1, 1, 0, 0), 2)]
    assert table.resampled == "prompt_groups"
    assert rows(found.table(Dimension.TAG, "never seen")) == []


def test_slices_have_their_values_by_name():
    found = statistics_of(
        sources={(2, 0, *pattern(1, 1)): (1,), (1, 2, *pattern(1, 1)): (4,)},
        guideline={(0, *pattern(1, 1)): (1,), (1, *pattern(1, 1)): (2,)},
        strength={(3, *pattern(1, 1)): (2,), (1, *pattern(1, 1)): (1,)},
        week={(2940, *pattern(1, 1)): (2,), (2939, *pattern(1, 1)): (1,)},
    )

    assert found.slices(Dimension.SOURCES) == [Slice((None, "a"), 4), Slice(("a", "b"), 1)]
    assert found.slices(Dimension.GUIDELINE) == [Slice(VERSION, 2), Slice(None, 1)]
    assert found.slices(Dimension.STRENGTH) == [Slice(1, 1), Slice(3, 2)]
    weeks = found.slices(Dimension.WEEK)
    # 2939 weeks after 29 December 1969.
    assert weeks == [Slice(date(2026, 4, 27), 1), Slice(date(2026, 5, 4), 2)]
    for dimension in (Dimension.SOURCES, Dimension.GUIDELINE, Dimension.STRENGTH, Dimension.WEEK):
        for value, n in found.slices(dimension):
            assert found.table(dimension, value).items.sum() == n


def test_a_value_of_another_dimension_is_a_mistake():
    with pytest.raises(TypeError, match="no value of the dimension week"):
        statistics_of().table(Dimension.WEEK, "math")


def test_an_empty_project_has_empty_tables():
    found = ProjectStatistics(ProjectSums(), waiting=0)

    assert [found.slices(dimension) for dimension in Dimension] == [[]] * len(Dimension)
    assert rows(found.table()) == rows(found.graded_table()) == []
    assert (found.pairs(), found.wins(), found.annotators()) == ([], [], {})


def test_grades_leave_out_what_has_no_place_on_the_scale():
    both_ends = (1, 0, 0, 0, 0, 1)
    patterns = {
        pattern(0, grades=both_ends): (3,),
        pattern(0, 1, 0, 0, 1, grades=both_ends): (2,),
        pattern(5, 0, 2): (9,),
        pattern(5, tie=1, grades=(0, 1, 0, 0, 0, 0)): (1,),
    }
    found = statistics_of(
        all=patterns,
        tag={(1, *key): n for key, n in patterns.items()} | {(0, *pattern(5, tie=2)): (7,)},
    )

    graded = [(0, (1, 0, 0, 0, 0, 0, 1), 5), (5, (0, 1, 0, 1, 0, 0, 0), 1)]
    assert rows(found.graded_table()) == graded
    assert rows(found.graded_table(Dimension.TAG, "safety")) == graded
    assert rows(found.graded_table(Dimension.TAG, "math")) == [(5, (0, 0, 0, 2, 0, 0, 0), 7)]


def test_pairs_and_wins_are_dense():
    found = statistics_of(
        pairs={(1, 0, 0, 1): (4,), (1, 0, 2, 2): (1,)}, wins={(2, 0, 255): (5, 6, 7, 8)}
    )

    (pair,) = found.pairs()
    assert (pair.a, pair.b, pair.labels[0, 1], pair.labels[2, 2]) == (ADA, BOB, 4, 1)
    assert (pair.labels.shape, pair.labels.sum()) == ((4, 4), 5)
    (wins,) = found.wins()
    assert (wins.source, wins.other, wins.wins[255].tolist()) == ("a", "b", [5, 6, 7, 8])
    assert (wins.wins.shape, wins.wins.sum()) == ((256, 4), 26)


def test_what_is_known_of_an_annotator():
    totals = (9, 8, 5, 2, 1, 0, 1, 7, 7000)
    found = statistics_of(
        annotators={(1,): totals, (0,): (1, 0, 0, 0, 0, 0, 0, 0, 0)},
        strengths={(1, 0): (2,), (1, 3): (3,)},
        reasons={(1, 0): (4,)},
        sides={(1, 0): (8, 5, 3)},
        lengths={(1, -25): (2, 1), (1, 4): (3, 3)},
        style={(1,): (4, 3, 2, 1)},
        seconds={(1, 0): (7,)},
        pace={(0, 7): (1,), (1, -60): (7,)},
        repeats={(1, 1): (2, 1), (1, 2): (1, 1)},
        gold={(1,): (6, 4)},
        weeks={(1, 2940): (9, 6, 4, 7, -420)},
    ).annotators()

    assert set(found) == {ADA, BOB}
    ada = found[ADA]
    assert ada.totals == Totals(*totals)
    assert (ada.strengths, ada.reasons) == ({0: 2, 3: 3}, {"typo": 4})
    assert ada.sides == {"side_by_side": Sided(shown=8, decisive=5, side_a=3)}
    assert ada.lengths.tolist() == [[-25, 2, 1], [4, 3, 3]]
    assert ada.style == Style(4, 3, 2, 1)
    assert (ada.seconds.tolist(), ada.pace.tolist()) == ([[0, 7]], [[-60, 7]])
    assert ada.repeats == {True: Repeated(2, 1), None: Repeated(1, 1)}
    assert ada.gold == Gold(6, 4)
    assert ada.weeks == {date(2026, 5, 4): Week(9, 6, 4, 7, -420)}
    assert found[BOB].lengths.shape == (0, 3)
    assert found[BOB].pace.tolist() == [[7, 1]]


def test_a_state_comes_back_and_one_of_another_format_does_not():
    sums = sums_with(all={pattern(0, 3, 2, 1, 4): (1,)}, gold={(1,): (6, 4)})

    found = ProjectSums.from_bytes(sums.to_bytes())

    assert found is not None
    assert differences(found, sums) == []
    assert found.folded == 9
    assert ProjectSums.from_bytes(sums.to_bytes().replace(b'"format":3', b'"format":2', 1)) is None


def test_states_are_equal_whatever_numbers_names_have_and_a_difference_is_named():
    sums = sums_with(gold={(1,): (6, 4)}, tag={(0, *pattern(0, 1)): (1,)})
    other = {**NAMES, "annotator": [ADA.hex], "tag": ["safety", "math"]}
    tables = sums_with(gold={(0,): (6, 4)}, tag={(1, *pattern(0, 1)): (1,)}).tables

    assert differences(sums, ProjectSums(Names(other), 9, tables)) == []
    tables = sums_with(gold={(0,): (6, 3)}, tag={(1, *pattern(0, 1)): (1,)}).tables
    assert differences(sums, ProjectSums(Names(other), 8, tables)) == [
        "judgments: kept 9, computed 8",
        f"gold ('{ADA.hex}',): kept (6, 4), computed (6, 3)",
    ]
