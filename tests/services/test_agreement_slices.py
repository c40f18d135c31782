"""Agreement by version, tag, sources, strength and week, on comparisons counted by hand."""

from dataclasses import asdict
from datetime import date

import pytest
from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_of,
    submit,
)
from helpers.slices import FEW, GRADED, MAY_4, MAY_11, by, graded_peer, read, told, voted

from app.db import Database
from app.rules.project_statistics import Dimension
from app.services import (
    agreement,
    agreement_slices,
    annotator_matrix,
    guidelines,
    leaderboards,
    planning,
)
from app.services.agreement_slices import SliceAgreement
from app.services.comparison_filters import ComparisonFilter

SIX = [
    voted(1, ("a", "b"), ["x"], (1, 3, MAY_4), (1, 3, MAY_4)),
    voted(2, ("b", "a"), ["x", "y"], (1, None, MAY_4), (2, None, MAY_4)),
    # The third vote comes on the Monday after.
    voted(
        3,
        ("a", None),
        ["y"],
        ("tie", None, MAY_4),
        ("tie", None, date(2026, 5, 10)),
        (1, 1, MAY_11),
    ),
    voted(4, ("a", "c"), [], (2, 2, MAY_11), (2, 1, MAY_11)),
    voted(5, ("b", "b"), ["x"], ("both_bad", None, MAY_11)),
    voted(6, ("b", "a"), [], (1, None, MAY_11), (1, None, date(2026, 5, 17))),
]


def counts(row: SliceAgreement) -> tuple[str, int, int, int]:
    return row.name, row.comparisons, row.overlap, row.contested


AGREEMENT, WITHOUT_TIES = "percent_agreement", "percent_agreement_no_ties"
ALPHA, CHANCE = "krippendorff_alpha_nominal", "chance_agreement"


def values(row: SliceAgreement) -> list[float | None]:
    return [row.statistics[name].value for name in (AGREEMENT, WITHOUT_TIES, ALPHA, CHANCE)]


@pytest.fixture
def six(database: Database) -> Database:
    make_project(database, pairs=0)
    assert not import_plain(database, SIX).rejected
    return database


def test_a_comparison_counts_with_each_of_its_tags(six: Database) -> None:
    x, y = by(six, Dimension.TAG).rows
    assert (counts(x), counts(y)) == (("x", 3, 2, 1), ("y", 2, 2, 2))
    # x: 11 and 12 agree in one of two. Of 4 labels 3 are `first`; the coincidences that differ are
    # 2 of 4, those expected (16 - 9 - 1) / (4 * 3): alpha is 0. Two labels drawn from
    # them are the same in (9 + 1) / 16; the single `both bad` has no part in that.
    assert values(x) == pytest.approx([0.5, 0.5, 0.0, 10 / 16])
    # y: 12 and tie, tie, 1: none, and one of three pairs. Without ties only the first has a pair.
    # Labels 2, 1, 2: 1 - 4 * (2 + 4 / 2) / (25 - 9) = 0.
    assert values(y) == pytest.approx([1 / 6, 0.0, 0.0, 9 / 25])
    assert [y.statistics[name].n for name in (AGREEMENT, WITHOUT_TIES, ALPHA)] == [2, 1, 2]
    assert (x.wanted.tag, x.wanted.show) == ("x", "judged")


def test_a_pair_of_sources_is_one_whichever_stood_first(six: Database) -> None:
    rows = {frozenset(row.name.split(" and ")): row for row in by(six, Dimension.SOURCES).rows}
    assert rows.keys() == {
        frozenset("ab"), frozenset(["a", "unknown"]), frozenset("ac"), frozenset("b")
    }  # fmt: skip
    row = rows[frozenset("ab")]
    assert counts(row) == ("a and b", 3, 3, 1)
    # For a, a; b, a; b, b: half of six labels each, 1 - 5 * 2 / (36 - 18). Were they not turned,
    # there would be five of the one and alpha 0.
    assert values(row) == pytest.approx([2 / 3, 2 / 3, 4 / 9, 1 / 2])
    assert row.wanted.sources == ("a", "b")
    unknown = rows[frozenset(["a", "unknown"])]
    assert counts(unknown)[1:] == (1, 1, 1)
    assert sorted(unknown.wanted.sources or ()) == ["", "a"]
    # One judgment has no pair, and nothing to say but that.
    single = rows[frozenset("b")]
    assert counts(single) == ("b and b", 1, 0, 0)
    assert {(s.value, s.n, s.reason) for s in single.statistics.values()} == {
        (None, 0, "no_overlap")
    }


def test_kappa_between_two_sources_says_which_source_is_preferred(database: Database) -> None:
    make_project(database, pairs=0)
    # w0 and w1 prefer a and a six times, a and b, b and b; then the same with b stored first.
    preferred = [(1, 1)] * 6 + [(1, 2), (2, 2)]
    records = [voted(n, ("a", "b"), [], *on(given)) for n, given in enumerate(preferred)]
    records += [
        voted(n, ("b", "a"), [], *on((3 - one, 3 - other)))
        for n, (one, other) in enumerate(preferred, start=8)
    ]
    assert not import_plain(database, records).rejected
    found = read(database)
    with database.reading() as session:
        by_source = annotator_matrix.for_slice(
            session, project_of(session), ComparisonFilter(show="judged", sources=("a", "b"))
        )
        as_stored = annotator_matrix.for_project(session, found)

    # They agree on 7 of 8; by chance on 7/8 * 6/8 + 1/8 * 2/8 of them.
    assert [cell.kappa.value for cell in by_source.cells.values()] == [pytest.approx(0.6)] * 2
    # By what is stored first, labels are balanced and chance is one half.
    assert [cell.kappa.value for cell in as_stored.cells.values()] == [pytest.approx(0.75)] * 2


def on(verdicts: tuple[int, int]) -> list[tuple[int, None, date]]:
    return [(verdict, None, MAY_4) for verdict in verdicts]


def test_strength_is_the_mean_of_the_decisive_judgments_half_a_step_up(six: Database) -> None:
    slightly, clearly, much = by(six, Dimension.STRENGTH).rows
    # The comparison of two ties and a slight preference; 2 and 1; 3 and 3.
    assert counts(slightly) == ("Slightly better", 1, 1, 1)
    assert counts(clearly) == ("Clearly better", 1, 1, 0)
    assert counts(much) == ("Much better", 1, 1, 0)
    # tie, tie, 1: 1 - 2 * 2 / (9 - 4 - 1) = 0.
    assert values(slightly) == pytest.approx([1 / 3, None, 0.0, 5 / 9])
    assert slightly.statistics[WITHOUT_TIES].reason == "no_overlap"
    assert values(clearly) == [1.0, 1.0, None, 1.0]
    assert clearly.statistics[ALPHA].reason == "one_category"
    assert [row.wanted.strength for row in (slightly, clearly, much)] == [1, 2, 3]


def test_a_week_has_the_judgments_from_its_monday_to_its_sunday(six: Database) -> None:
    first, second = by(six, Dimension.WEEK).rows
    assert counts(first) == ("2026-05-04", 3, 3, 1)
    assert counts(second) == ("2026-05-11", 4, 2, 0)
    # 11, 12 and tie, tie: labels 3, 1, 2 and 1 - 5 * 2 / (36 - 14).
    assert values(first) == pytest.approx([2 / 3, 1 / 2, 6 / 11, 14 / 36])
    # 22 and 11; the third vote and the single `both bad` are alone in that week.
    assert values(second) == pytest.approx([1.0, 1.0, 1.0, 8 / 16])
    assert [row.wanted.week for row in (first, second)] == [MAY_4, MAY_11]


def test_under_each_version_only_its_own_judgments_count(database: Database) -> None:
    make_project(database, pairs=2, overlap=2, guideline="One.")
    people = [add_annotator(database, name) for name in ("ada", "bo")]

    def work(*verdicts: str) -> None:
        """As many of each person."""
        for person, given in zip(people, verdicts, strict=True):
            with database.writing() as session:
                version = guidelines.current(session, project_of(session))
                assert version is not None
                guidelines.confirm_reading(session, version, session.merge(person), now=NOON)
            for verdict in given.split():
                view = lease(database, person)
                assert view is not None
                submit(database, person, view, verdict)

    # Whatever order they come in: ties on both, and a tie on one of them.
    work("tie tie", "tie both_bad")
    with database.writing() as session:
        guidelines.publish(session, project_of(session), "Two.", by=None, now=NOON)
    import_plain(database, [pair(number) for number in (11, 12)])
    work("tie tie", "tie tie")
    import_plain(database, [voted(50, ("a", "b"), [], (1, None, MAY_4), (2, None, MAY_4))])

    none, one, two = by(database, Dimension.GUIDELINE).rows

    assert counts(none) == ("No guideline", 1, 1, 1)
    assert counts(one) == ("Version 1", 2, 2, 1)
    assert counts(two) == ("Version 2", 2, 2, 0)
    # 1 - 1 * 2 / (4 - 2), and what two labels share half of the time.
    assert values(none) == pytest.approx([0.0, 0.0, 0.0, 0.5])
    # tie, tie and tie, both bad, as in the tag x.
    assert values(one) == pytest.approx([0.5, None, 0.0, 10 / 16])
    assert values(two) == [1.0, None, None, 1.0]
    assert [row.wanted.version for row in (none, one, two)] == [0, 1, 2]
    slices = told(database, Dimension.GUIDELINE)["slices"]
    assert [one["value"] for one in slices] == [None, 1, 2]


def test_only_the_largest_tags_and_the_latest_weeks_are_shown(
    six: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement_slices, "MOST_SLICES", 1)
    monkeypatch.setattr(agreement_slices, "MOST_WEEKS", 1)
    tags, weeks = by(six, Dimension.TAG), by(six, Dimension.WEEK)
    assert ([row.name for row in tags.rows], tags.left_out) == (["x"], 1)
    assert ([row.name for row in weeks.rows], weeks.left_out) == (["2026-05-11"], 1)


def test_fewer_than_twenty_comparisons_have_no_interval(database: Database) -> None:
    make_project(database, pairs=0)
    # Every fourth is contested: 60 of 80, and 14 of 19.
    records = [
        voted(
            n,
            ("a", "b"),
            ["many" if n < 80 else "few"],
            (1, 1, MAY_4),
            (1 if n % 4 else 2, 1, MAY_4),
        )
        for n in range(99)
    ]
    assert not import_plain(database, records).rejected
    many, few = by(database, Dimension.TAG).rows
    assert (counts(many), counts(few)) == (("many", 80, 80, 20), ("few", 19, 19, 5))
    assert few.statistics[AGREEMENT].value == pytest.approx(14 / 19)
    for one in few.statistics.values():
        assert (one.n, one.low, one.high, one.reason) == (19, None, None, FEW)
    agreement = many.statistics[AGREEMENT]
    assert agreement.low is not None
    assert agreement.high is not None
    assert (agreement.value, agreement.n, agreement.reason) == (0.75, 80, None)
    # About 1.96 * sqrt(0.75 * 0.25 / 80) = 0.095 to either side, of independent prompts.
    assert 0.05 < 0.75 - agreement.low < 0.15
    assert 0.05 < agreement.high - 0.75 < 0.15


def test_of_two_dozen_prompts_a_figure_has_one_interval_wherever_it_stands(
    database: Database,
) -> None:
    make_project(database, pairs=0)
    records = [
        voted(n, ("a", "b"), ["x"], (1, None, MAY_4), (2 if n % 3 else 1, None, MAY_4))
        for n in range(24)
    ]
    assert not import_plain(database, records).rejected
    found = read(database)
    with database.reading() as session:
        report = agreement.report(project_of(session), found)
        plan = planning.for_project(
            session, project_of(session), found, half_width=0.1, n_open=0, now=NOON
        )

    whole = report.percent_agreement_no_ties
    assert (whole.value, whole.n) == (pytest.approx(1 / 3), 24)
    # 1.96 sqrt(2 / 9 / 24) = 0.19 to either side.
    assert whole.low is not None
    assert whole.low == pytest.approx(1 / 3 - 0.19, abs=0.05)
    assert plan.agreement == whole
    for dimension in (Dimension.TAG, Dimension.WEEK, Dimension.SOURCES):
        (row,) = by(database, dimension).rows
        assert row.statistics[WITHOUT_TIES] == whole
    assert all(row.rating.strength.low is not None for row in leaderboards.for_project(found).rows)


def test_only_the_statistics_that_are_asked_for_are_computed(six: Database) -> None:
    found = read(six)
    every = agreement_slices.by(found, Dimension.WEEK, [], counted="all").rows
    asked = {ALPHA, "gwet_ac1_no_ties", "krippendorff_alpha_graded"}
    some = agreement_slices.by(found, Dimension.WEEK, [], asked, counted="all").rows
    assert [set(row.statistics) for row in some] == [asked] * 2
    for one, other in zip(every, some, strict=True):
        assert other.statistics[ALPHA] == one.statistics[ALPHA]


def test_programs_read_values_that_json_has(six: Database) -> None:
    values_of = {
        name: [one["value"] for one in told(six, Dimension(name))["slices"]]
        for name in agreement_slices.DIVIDED_BY
    }
    assert values_of["guideline"] == [None]
    assert values_of["tag"] == ["x", "y"]
    assert sorted(map(str, values_of["sources"])) == sorted(
        ["('a', 'b')", "('a', 'c')", "('b', 'b')", "(None, 'a')"]
    )
    assert values_of["strength"] == [1, 2, 3]
    assert values_of["week"] == ["2026-05-04", "2026-05-11"]


def test_graded_alpha_is_that_of_another_implementation(six: Database) -> None:
    found = agreement.graded_alpha(read(six), counted="all")
    # Grades -3 to 3 of the third, the first and the fourth comparison; others have no strengths.
    grades = [[0, 0, 1, 2, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0]]

    with_ties, without_ties = (found[name] for name in GRADED)
    expected = (pytest.approx(graded_peer(grades)), 3, FEW)
    assert (with_ties.value, with_ties.n, with_ties.reason) == expected
    # Without its ties, the third comparison has one grade left.
    expected = (pytest.approx(graded_peer(grades[1:])), 2, FEW)
    assert (without_ties.value, without_ties.n, without_ties.reason) == expected
    with six.reading() as session:
        answer = agreement.summary(project_of(session), read(six))
    assert [answer[name] for name in GRADED] == [asdict(with_ties), asdict(without_ties)]


def test_a_project_without_judgments_has_no_rows(database: Database) -> None:
    make_project(database, pairs=1)
    for dimension in agreement_slices.DIVIDED_BY:
        found = by(database, Dimension(dimension))
        assert (found.rows, found.left_out) == ([], 0)
    graded = agreement.graded_alpha(read(database), counted="all")
    assert {name: one.reason for name, one in graded.items()} == dict.fromkeys(GRADED, "no_overlap")
