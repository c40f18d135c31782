"""The queue and the taking of judgments, on SQLite and PostgreSQL."""

from datetime import timedelta

import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, make_project, pair, submit
from sqlalchemy import func, select

from app.errors import Conflict, InvalidInput, NotFound
from app.models.judgments import Assignment, Judgment, Preference
from app.models.projects import Comparison, Completion
from app.services import judgments, progress, projects

LATER = NOON + timedelta(hours=1)


def open_slots(database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Comparison.open_slots)))


def count(database, table) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_comparison_gets_exactly_its_overlap_of_different_annotators(database):
    make_project(database, pairs=4, overlap=2)
    people = [add_annotator(database, f"annotator {i}") for i in range(3)]

    judged = 0
    while any(views := [(p, lease(database, p)) for p in people]) and any(v for _, v in views):
        for person, view in views:
            if view is not None:
                submit(database, person, view)
                judged += 1

    assert judged == 8
    with database.reading() as session:
        per_comparison = session.execute(
            select(func.count(), func.count(Judgment.annotator_id.distinct())).group_by(
                Judgment.comparison_id
            )
        ).all()
    assert [tuple(row) for row in per_comparison] == [(2, 2)] * 4
    assert open_slots(database) == [0] * 4


def test_nobody_gets_the_same_comparison_twice(database):
    make_project(database, pairs=3, overlap=5)
    ada = add_annotator(database, "Ada")

    seen = []
    while (view := lease(database, ada)) is not None:
        seen.append(view.messages[0]["content"])
        submit(database, ada, view)

    assert len(seen) == len(set(seen)) == 3


def test_a_second_tab_shows_the_same_comparison(database):
    make_project(database)
    ada = add_annotator(database, "Ada")

    first, second = lease(database, ada), lease(database, ada)

    assert first is not None
    assert second is not None
    assert (first.id, first.sides) == (second.id, second.sides)


def test_an_expired_lease_goes_to_somebody_else(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    lease(database, ada)

    assert lease(database, bo) is None
    assert lease(database, bo, now=LATER) is not None


def test_a_judgment_after_its_lease_is_kept_and_marked_late(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    lease(database, bo, now=LATER)

    late = submit(database, ada, view, now=LATER)

    assert late.judgment.late
    assert open_slots(database) == [0]


def test_as_many_responses_as_are_imported_have_a_letter_each(database):
    make_project(database, pairs=0)
    many = {"prompt": "Many?", "completions": [f"answer {i}" for i in range(26)]}
    import_plain(database, [many, {**many, "completions": [*many["completions"], "one more"]}])
    ada = add_annotator(database, "Ada")

    view = lease(database, ada)
    assert "".join(side.label for side in view.sides) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    submit(database, ada, view, "Z")
    # Nobody can be shown 27, and one that is refused for ever would stand before all others.
    assert lease(database, ada) is None


def test_a_judgment_of_a_page_that_was_open_for_weeks_is_kept_too(database):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)

    stored = submit(database, ada, view, now=NOON + timedelta(days=30))

    # 30 days have 2,592,000,000 ms; the column holds 2^31 - 1 at most.
    assert stored.late
    with database.reading() as session:
        assert session.scalar(select(Judgment.wall_ms)) == 2_147_483_647


def test_a_judgment_in_time_is_not_late_and_knows_how_long_it_took(database):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)

    found = submit(database, ada, view, active_ms=1234).judgment

    assert (found.late, found.wall_ms, found.active_ms) == (False, 30_000, 1234)
    assert (found.issued_at, found.received_at) == (NOON, NOON + timedelta(seconds=30))


def test_the_same_key_twice_stores_one_judgment(database):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)

    first = submit(database, ada, view, key="one-and-only")
    second = submit(database, ada, view, key="one-and-only")

    assert (first.replayed, second.replayed) == (False, True)
    assert first.judgment.id == second.judgment.id
    assert count(database, Judgment) == count(database, Preference) == 1


def test_another_key_for_a_judged_comparison_is_a_conflict(database):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)
    submit(database, ada, view)

    with pytest.raises(Conflict, match="judged this comparison already"):
        submit(database, ada, view, key="another key")


def test_the_preference_names_the_text_that_was_on_the_winning_side(database):
    make_project(database, pairs=12)
    ada = add_annotator(database, "Ada")

    shown = {}
    for verdict in "ABABABABABAB":
        view = lease(database, ada)
        submitted = submit(database, ada, view, verdict)
        texts = {side.label: side.text for side in view.sides}
        shown[submitted.judgment.id] = (texts.pop(verdict), *texts.values())

    with database.reading() as session:
        texts = dict(session.execute(select(Completion.id, Completion.text)).all())
        stored = {
            p.judgment_id: (texts[p.chosen_id], texts[p.rejected_id])
            for p in session.scalars(select(Preference))
        }
        first_sides = session.scalars(select(Assignment.shown_order)).all()
    assert stored == shown
    sides = {texts_of[0] for texts_of in first_sides}
    assert len(sides) == 12


@pytest.mark.parametrize("verdict", ["tie", "both_bad"])
def test_an_undecided_verdict_prefers_nothing_and_has_no_strength(database, verdict):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")

    found = submit(database, ada, lease(database, ada), verdict, strength=2).judgment

    assert (found.verdict, found.preferred_id, found.strength) == (verdict, None, None)
    assert count(database, Preference) == 0


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"verdict": "C"}, "names side 'C'"),
        ({"strength": 4}, "Strength is 4"),
        ({"key": "short"}, "has 5 characters"),
        ({"active_ms": -1}, "Active time is -1"),
        ({"rationale": "x" * 10_001}, "has 10001 characters"),
    ],
)
def test_bad_submissions_are_refused_and_store_nothing(database, fields, complaint):
    make_project(database, pairs=1)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)

    with pytest.raises(InvalidInput, match=complaint):
        submit(database, ada, view, **fields)
    assert count(database, Judgment) == 0
    assert lease(database, ada).id == view.id


def test_a_skipped_comparison_goes_to_somebody_else_and_never_comes_back(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    with database.writing() as session:
        judgments.skip(session, ada, view.id, "I know the author", now=NOON)

    assert lease(database, ada) is None
    assert lease(database, bo) is not None


def test_an_assignment_of_somebody_else_does_not_exist_for_me(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)

    with pytest.raises(NotFound, match="no assignment"):
        submit(database, bo, view)


def test_progress_counts_what_is_judged_and_what_is_left(database):
    make_project(database, pairs=3, overlap=2)
    ada = add_annotator(database, "Ada")
    submit(database, ada, lease(database, ada))
    lease(database, ada)

    with database.reading() as session:
        found = progress.for_annotator(session, projects.by_slug(session, "p"), ada)

    assert (found.judged, found.skipped, found.left) == (1, 0, 2)


def test_progress_tells_what_is_left_up_to_a_number(database):
    make_project(database, pairs=progress.FEW + 1)
    ada = add_annotator(database, "Ada")

    def left():
        with database.reading() as session:
            return progress.for_annotator(session, projects.by_slug(session, "p"), ada).left

    assert left() is None
    view = lease(database, ada)
    # The one on lease is still to be judged.
    assert left() is None
    submit(database, ada, view)
    assert left() == progress.FEW


def test_imported_judgments_use_up_the_overlap(database):
    make_project(database, pairs=0, overlap=2)
    votes = [{"annotator": name, "verdict": 1} for name in ("a", "b")]
    import_plain(database, [pair(1, judgments=votes), pair(2, judgments=votes[:1])])

    assert sorted(open_slots(database)) == [0, 1]
