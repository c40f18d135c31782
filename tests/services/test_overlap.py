"""Overlap that changes, and annotators who act at the same moment, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from helpers.data import (
    LEASE_SECONDS,
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_of,
    submit,
)
from helpers.policy import set_policy
from sqlalchemy import func, select, text

from app.errors import Conflict, InvalidInput
from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import Comparison
from app.services import assignments, guidelines, judgments, projects, slots
from app.services.guidelines import GuidelineUnread
from app.services.judgments import Submission

LATER = NOON + timedelta(hours=1)


def set_overlap(database, overlap):
    with database.writing() as session:
        projects.set_overlap(session, project_of(session), overlap)


def open_slots(database) -> list[int]:
    with database.reading() as session:
        return sorted(session.scalars(select(Comparison.open_slots)))


def at_once(*actions):
    """Run the actions in threads that start together; their results, or what they raised."""
    barrier = Barrier(len(actions))

    def run(action):
        barrier.wait()
        try:
            return action()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_a_higher_overlap_reopens_what_was_finished_for_those_who_have_not_judged_it(database):
    make_project(database, pairs=2, overlap=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    submit(database, ada, lease(database, ada))
    lease(database, ada)
    assert lease(database, bo) is None

    set_overlap(database, 2)

    assert open_slots(database) == [1, 1]
    assert lease(database, bo) is not None


def test_a_lower_overlap_keeps_what_was_given_and_opens_nothing(database):
    make_project(database, pairs=1, overlap=3)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    for annotator in (ada, bo):
        submit(database, annotator, lease(database, annotator))
    import_plain(database, [pair(2)])

    set_overlap(database, 1)

    assert open_slots(database) == [0, 1]
    with database.reading() as session:
        assert session.scalar(select(func.count(Judgment.id))) == 2


def test_a_comparison_with_an_overlap_of_its_own_keeps_it(database):
    make_project(database, pairs=2, overlap=1)
    with database.writing() as session:
        session.scalars(select(Comparison)).first().overlap = 5

    set_overlap(database, 2)

    assert open_slots(database) == [2, 5]


def test_an_overlap_below_one_is_refused(database):
    make_project(database, pairs=1)
    with pytest.raises(InvalidInput, match="Overlap is 0"):
        set_overlap(database, 0)


def test_two_tabs_that_ask_at_once_get_one_lease(database):
    make_project(database, pairs=8)
    ada = add_annotator(database, "Ada")

    views = at_once(*[lambda: lease(database, ada)] * 4)

    assert len({view.id for view in views}) == 1


def test_two_tabs_that_submit_at_once_store_one_judgment_and_get_one_next_comparison(database):
    make_project(database, pairs=8)
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)

    def submit_and_go_on(key):
        def act():
            submission = Submission(verdict="A", idempotency_key=key)
            with database.writing() as session:
                judgments.submit(session, ada, view.id, submission, now=NOON)
                return assignments.lease_next(
                    session, project_of(session), ada, lease_seconds=LEASE_SECONDS, now=NOON
                )

        return act

    same = at_once(*[submit_and_go_on("the same key")] * 3)
    other = at_once(submit_and_go_on("another key"))

    assert len({next_view.id for next_view in same}) == 1
    assert isinstance(other[0], Conflict)
    with database.reading() as session:
        assert session.scalar(select(func.count(Judgment.id))) == 1
        leased = Assignment.state == AssignmentState.LEASED
        assert session.scalar(select(func.count(Assignment.id)).where(leased)) == 1


# SQLite has one writer at a time, so nobody can hold a comparison meanwhile.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_ending_leases_never_waits_for_a_comparison_that_somebody_holds(database):
    """Whoever ends them may hold a comparison too, and two who wait for each other never go on."""
    make_project(database, pairs=2)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)

    with database.writing() as holder:
        held = holder.get_one(Assignment, view.id).comparison_id
        slots.lock(holder, held)
        with database.writing() as session:
            session.execute(text("SET LOCAL lock_timeout = '2s'"))
            taken = assignments.lease_next(
                session, project_of(session), bo, lease_seconds=60, now=LATER
            )
            assert taken is not None
            assert session.get_one(Assignment, taken.id).comparison_id != held

    cy = add_annotator(database, "Cy")
    assert lease(database, cy, now=LATER) is not None


def wait_until_somebody_waits(database, work):
    """Until a session of the database waits for another one's lock, or the work is done without."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    found = 0
    while not found and not work.done():
        with database.reading() as session:
            found = session.scalar(waiting)


# SQLite has one writer at a time, so nobody leases while a policy changes.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_lease_that_is_given_while_the_policy_changes_is_counted(database):
    """The comparison has an overlap of its own, so the change leaves its target alone."""
    make_project(database, pairs=0, overlap=1)
    import_plain(database, [pair(1, overlap=2, priority=1), pair(2)])
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    held = lease(database, ada)

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as session:
            taken = assignments.lease_next(
                session, project_of(session), bo, lease_seconds=60, now=NOON
            )
            changing = pool.submit(set_overlap, database, 3)
            wait_until_somebody_waits(database, changing)
        changing.result()

    with database.reading() as session:
        both = [session.get_one(Assignment, view.id).comparison_id for view in (held, taken)]
        comparison = session.get_one(Comparison, both[0])
        assert both[0] == both[1]
        assert (comparison.target, comparison.judged, comparison.open_slots) == (2, 0, 0)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_conflict_that_is_stored_while_adaptive_overlap_ends_asks_nobody_else(database):
    make_project(database, pairs=1, overlap=2)
    set_policy(database, adaptive_max=4)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    submit(database, ada, lease(database, ada), "tie")
    view = lease(database, bo)

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as session:
            submission = Submission(verdict="A", idempotency_key="one of its kind")
            judgments.submit(session, bo, view.id, submission, now=NOON)
            changing = pool.submit(set_policy, database, adaptive_max=None)
            wait_until_somebody_waits(database, changing)
        changing.result()

    with database.reading() as session:
        (comparison,) = session.scalars(select(Comparison))
        assert (comparison.target, comparison.judged, comparison.open_slots) == (2, 2, 0)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_guideline_that_is_published_while_somebody_waits_for_their_turn_is_read_first(database):
    make_project(database, pairs=2, guideline="Be fair.")
    ada = add_annotator(database, "Ada")
    submit(database, ada, lease(database, ada))

    def ask():
        with database.writing() as session:
            assignments.lease_next(session, project_of(session), ada, lease_seconds=60, now=LATER)

    with ThreadPoolExecutor(1) as pool:
        # As another tab of theirs does.
        with database.writing() as session:
            session.get_one(Annotator, ada.id, with_for_update=True)
            asking = pool.submit(ask)
            wait_until_somebody_waits(database, asking)
            with database.writing() as other:
                guidelines.publish(other, project_of(other), "Be kind.", by=None, now=NOON)
        with pytest.raises(GuidelineUnread, match="version 2"):
            asking.result()


def test_open_slots_are_right_after_overlap_changes_beside_judging_and_importing(database):
    make_project(database, pairs=10, overlap=1)
    annotators = [add_annotator(database, f"annotator {i}") for i in range(3)]

    def judge_some(annotator):
        for _ in range(6):
            view = lease(database, annotator)
            if view is not None:
                submit(database, annotator, view)

    results = at_once(
        *[lambda a=a: judge_some(a) for a in annotators],
        lambda: [set_overlap(database, overlap) for overlap in (3, 2)] and None,
        lambda: import_plain(database, [pair(i) for i in range(11, 16)]) and None,
    )

    assert results == [None] * 5
    with database.reading() as session:
        judged = (
            select(func.count(Judgment.id))
            .where(Judgment.comparison_id == Comparison.id)
            .scalar_subquery()
        )
        rows = session.execute(select(Comparison.open_slots, judged)).all()
    assert len(rows) == 15
    assert [slots for slots, _ in rows] == [max(0, 2 - given) for _, given in rows]
