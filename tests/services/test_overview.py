"""What the admin pages are made of."""

from datetime import timedelta
from uuid import UUID

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

from app.errors import NotFound
from app.services import (
    agreement,
    annotator_rows,
    comparison_detail,
    comparisons,
    judgments,
    overview,
)
from app.services.comparison_filters import ComparisonFilter


def test_the_counts_of_a_project(database):
    make_project(database, pairs=2, overlap=2)
    import_plain(database, [pair(9, demonstration="Like so.")])
    ada = add_annotator(database, "Ada")
    submit(database, ada, lease(database, ada), "tie")
    view = lease(database, ada)
    with database.writing() as session:
        judgments.skip(session, ada, view.id, "too long", now=NOON)
    view = lease(database, ada)
    with database.writing() as session:
        judgments.flag(session, ada, view.id, "rude", now=NOON)
    submit(database, ada, view, "A", now=NOON + timedelta(days=1))

    with database.reading() as session:
        found = overview.for_project(session, project_of(session))

    assert (found.prompts, found.completions, found.demonstrations) == (3, 6, 1)
    assert (found.comparisons, found.finished_comparisons) == (3, 0)
    assert (found.judgments, found.counted_judgments, found.annotators) == (2, 2, 1)
    assert (found.skips, found.flags) == (1, 1)
    assert found.verdicts == {"preferred": 1, "tie": 1}
    assert found.judgments_by_day == [("2026-05-04", 1), ("2026-05-05", 1)]


def test_comparisons_are_listed_by_what_is_asked_for(database):
    make_project(database, pairs=3, overlap=2)
    for number, votes in ((11, (1, 2)), (12, (1, 1)), (13, (2,))):
        given = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(votes)]
        import_plain(database, [pair(number, judgments=given)])

    def shown(show: str) -> list[str]:
        with database.reading() as session:
            page = comparisons.page_of(session, project_of(session), ComparisonFilter(show=show))
        return sorted(row.excerpt.count("x") for row in page.rows)

    assert shown("all") == [1, 2, 3, 11, 12, 13]
    assert shown("judged") == [11, 12, 13]
    assert shown("open") == [1, 2, 3, 13]
    assert shown("contested") == [11]


def test_a_page_out_of_range_is_the_nearest_one(database):
    make_project(database, pairs=5)

    with database.reading() as session:
        last = comparisons.page_of(session, project_of(session), page=99, per_page=2)

    assert (last.page, last.pages, last.total, len(last.rows)) == (3, 3, 5, 1)


def test_a_comparison_shows_who_said_what_and_how_it_was_shown(database):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)
    chosen = view.sides[1].text
    comparison = submit(
        database, ada, view, "B", strength=3, rationale="vivid", active_ms=900
    ).judgment.comparison_id

    with database.reading() as session:
        found = comparison_detail.detail(session, project_of(session), comparison)

    label = {c.text: c.label for c in found.completions}
    (judgment,) = found.judgments
    assert judgment.verdict_text == f"prefers {label[chosen]}"
    assert judgment.shown == f"{label[view.sides[0].text]} on the left"
    assert (judgment.annotator_name, judgment.strength) == ("Ada", 3)
    assert (judgment.rationale, judgment.active_ms, judgment.late) == ("vivid", 900, False)


def test_a_comparison_of_another_project_is_not_found(database):
    make_project(database)
    with pytest.raises(NotFound), database.reading() as session:
        comparison_detail.detail(session, project_of(session), UUID(int=5))


def test_agreement_of_a_project_codes_verdicts_by_completion_not_by_side(database):
    """Two annotators who prefer the same text agree, whatever side showed it."""
    make_project(database, pairs=12, overlap=2)
    for name in ("Ada", "Bo"):
        person = add_annotator(database, name)
        while (view := lease(database, person)) is not None:
            sides = {side.text[:5]: side.label for side in view.sides}
            submit(database, person, view, sides["first"])

    with database.reading() as session:
        found = agreement.for_project(session, project_of(session))

    assert (found.percent_agreement.value, found.percent_agreement.n) == (1.0, 12)
    assert found.n_judgments == 24
    assert found.krippendorff_alpha_nominal.reason == "one_category"


def test_agreement_of_an_empty_project_is_undefined(database):
    make_project(database, pairs=1)

    with database.reading() as session:
        found = agreement.for_project(session, project_of(session))

    assert (found.n_judgments, found.percent_agreement.value) == (0, None)
    assert found.percent_agreement.reason == "no_overlap"


def test_repeats_and_superseded_judgments_stay_out_of_agreement(database):
    make_project(database, pairs=0)
    votes = [
        {"annotator": "x", "verdict": 1, "ended_at": "2026-01-01"},
        {"annotator": "x", "verdict": 2, "ended_at": "2026-01-02"},
        {"annotator": "y", "verdict": 1, "ended_at": "2026-01-03"},
    ]
    import_plain(database, [pair(1, judgments=votes)])

    with database.reading() as session:
        found = agreement.for_project(session, project_of(session))

    assert (found.n_judgments, found.percent_agreement.value) == (2, 1.0)


def test_an_annotators_line_by_hand(database):
    """Ada always takes the left; Bo sees three of her four comparisons the same way."""
    make_project(database, pairs=4, overlap=2)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    preferred = {}
    while (view := lease(database, ada)) is not None:
        preferred[view.messages[0]["content"]] = view.sides[0].text
        submit(database, ada, view, "A", active_ms=1000)
    disagree = True
    while (view := lease(database, bo)) is not None:
        same = preferred[view.messages[0]["content"]]
        side = next(s.label for s in view.sides if (s.text == same) is not disagree)
        disagree = False
        submit(database, bo, view, side)

    with database.reading() as session:
        first, second = annotator_rows.for_project(session, project_of(session)).rows

    assert (first.name, first.judgments, first.ties) == ("Ada", 4, 0)
    assert first.median_active_ms.value == 1000
    assert (first.left_rate.value, first.left_rate.n) == (1.0, 4)
    assert first.agreement_with_others.value == second.agreement_with_others.value == 0.75
    assert second.median_active_ms.reason == "no_times"


def test_annotators_come_by_pages_and_can_be_found_by_name(database):
    make_project(database, pairs=3, overlap=3)
    for name, wanted in (("Ada", 1), ("Bo", 3), ("50 % Cy", 2)):
        annotator = add_annotator(database, name)
        for _ in range(wanted):
            submit(database, annotator, lease(database, annotator), active_ms=wanted * 1000)

    def found(**options):
        with database.reading() as session:
            page = annotator_rows.for_project(session, project_of(session), **options)
        return [row.name for row in page.rows], page.page, page.pages, page.total

    assert found(per_page=2) == (["Bo", "50 % Cy"], 1, 2, 3)
    assert found(per_page=2, page=2) == (["Ada"], 2, 2, 3)
    assert found(per_page=2, page=9) == (["Ada"], 2, 2, 3)
    assert found(name="bo") == (["Bo"], 1, 1, 1)
    assert found(name="%") == (["50 % Cy"], 1, 1, 1)
    assert found(name="nobody") == ([], 1, 1, 0)


@pytest.mark.parametrize(("times", "median"), [([5, 1, 3], 3), ([4, 1, 3, 10], 3.5), ([7], 7)])
def test_the_median_time_is_that_of_the_middle_judgments(database, times, median):
    """Of four times 1, 3, 4, 10 the middle two give 3.5."""
    make_project(database, pairs=len(times))
    ada = add_annotator(database, "Ada")
    for active_ms in times:
        submit(database, ada, lease(database, ada), active_ms=active_ms)

    with database.reading() as session:
        (row,) = annotator_rows.for_project(session, project_of(session)).rows

    assert row.median_active_ms.value == median


def test_a_comparison_on_lease_is_not_finished(database):
    make_project(database, pairs=1, overlap=2)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    submit(database, ada, lease(database, ada))
    view = lease(database, bo)

    def finished():
        with database.reading() as session:
            return overview.for_project(session, project_of(session)).finished_comparisons

    assert finished() == 0
    submit(database, bo, view)
    assert finished() == 1


def test_flags_and_skips_are_shown_with_their_reasons(database):
    make_project(database, pairs=2)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)
    with database.writing() as session:
        judgments.flag(session, ada, view.id, "It holds personal data", now=NOON)
        judgments.skip(session, ada, view.id, "I know the author", now=NOON)

    with database.reading() as session:
        project = project_of(session)
        (row,) = comparisons.page_of(session, project, ComparisonFilter(show="flagged")).rows
        notes = comparison_detail.detail(session, project, row.id).notes

    assert [(n.act, n.annotator_name, n.reason) for n in notes] == [
        ("flagged", "Ada", "It holds personal data"),
        ("skipped", "Ada", "I know the author"),
    ]


def test_the_sides_of_an_imported_judgment_are_unknown(database):
    make_project(database, pairs=0)
    import_plain(database, [pair(1, judgments=[{"annotator": "a", "verdict": 1}])])

    with database.reading() as session:
        project = project_of(session)
        (row,) = comparisons.page_of(session, project).rows
        (judgment,) = comparison_detail.detail(session, project, row.id).judgments

    assert judgment.shown is None
    assert row.responses == ["first answer 1", "second answer 1"]
