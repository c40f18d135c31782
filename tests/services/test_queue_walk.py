"""The order in which annotators meet comparisons, what is planted between, and how long they have
it, on SQLite and PostgreSQL."""

from contextlib import contextmanager
from datetime import timedelta

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
from sqlalchemy import event, select, update

from app.errors import Conflict, NotFound
from app.models.accounts import Membership
from app.models.judgments import Assignment, Judgment
from app.models.projects import Comparison
from app.prepared import Prepared, run
from app.services import assignments, full_tallies, judgments, queue, queue_order, slots

SECOND = timedelta(seconds=1)
LEASE = LEASE_SECONDS * SECOND


def change_comparisons(database, which, **columns) -> None:
    with database.writing() as session:
        session.execute(update(Comparison).where(which).values(**columns))


def ids_in_queue_order(database) -> list:
    with database.reading() as session:
        order = (Comparison.priority.desc(), Comparison.id.desc())
        return list(session.scalars(select(Comparison.id).order_by(*order)))


def comparison_of(database, view):
    with database.reading() as session:
        return session.get_one(Assignment, view.id).comparison_id


def walk(database, annotator, *, now=NOON) -> list:
    """Judge all that comes; the comparisons in the order in which they came."""
    seen = []
    while (view := lease(database, annotator, now=now)) is not None:
        seen.append(comparison_of(database, view))
        submit(database, annotator, view, now=now)
    return seen


def assert_sums_are_right(database) -> None:
    with database.reading() as session:
        project = project_of(session)
        assert full_tallies.check(session, project, queue.policy_of(project)) == []


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(queue, "BLOCK", 4)


def test_everyone_works_through_the_same_blocks_in_an_order_of_their_own(database, small_blocks):
    make_project(database, pairs=12, overlap=6)
    walks = [walk(database, add_annotator(database, f"annotator {i}")) for i in range(5)]

    queued = ids_in_queue_order(database)
    for seen in walks:
        assert [set(seen[i : i + 4]) for i in (0, 4, 8)] == [
            set(queued[i : i + 4]) for i in (0, 4, 8)
        ]
    assert len({tuple(seen) for seen in walks}) == 5


def test_the_shuffle_is_the_same_after_a_restart(database):
    make_project(database, pairs=10, overlap=3)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    database.dispose()

    assert lease(database, ada).id == view.id
    later = lease(database, ada, now=NOON + LEASE)
    assert (later.id, later.sides) == (view.id, view.sides)
    assert lease(database, bo) is not None


def test_what_is_more_urgent_comes_first_even_when_it_comes_later(database, small_blocks):
    make_project(database, pairs=10)
    ada = add_annotator(database, "Ada")
    for _ in range(3):
        submit(database, ada, lease(database, ada))
    untouched = ids_in_queue_order(database)[-2:]
    change_comparisons(database, Comparison.id.in_(untouched), priority=5)

    rest = walk(database, ada)

    assert set(rest[:2]) == set(untouched)
    assert len(rest) == 7


def test_what_opens_again_behind_an_annotator_is_found_before_they_hear_nothing_is_left(
    database, small_blocks
):
    make_project(database, pairs=10)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    begun = lease(database, bo)
    assert len(walk(database, ada)) == 9

    found = lease(database, ada, now=NOON + LEASE)

    assert comparison_of(database, found) == comparison_of(database, begun)


def test_only_a_group_sees_what_is_restricted_to_it(database):
    make_project(database, pairs=6)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    restricted = ids_in_queue_order(database)[:4]
    change_comparisons(database, Comparison.id.in_(restricted), restricted_to="nurses")
    with database.writing() as session:
        membership = session.get_one(Membership, (project_of(session).id, bo.id))
        membership.groups = ["nurses"]

    assert set(walk(database, ada)) == set(ids_in_queue_order(database)[4:])
    assert set(walk(database, bo)) == set(restricted)


def test_conflict_asks_one_more_annotator_and_agreement_none(database):
    make_project(database, pairs=2, overlap=2)
    set_policy(database, adaptive_max=4)
    split, settled = ids_in_queue_order(database)

    for number in range(5):
        annotator = add_annotator(database, f"annotator {number}")
        while (view := lease(database, annotator)) is not None:
            disputed = comparison_of(database, view) == split
            submit(database, annotator, view, "tie" if disputed and number % 2 else "both_bad")

    with database.reading() as session:
        given = {c.id: (c.judged, c.target) for c in session.scalars(select(Comparison))}
    assert given == {split: (4, 4), settled: (2, 2)}
    assert_sums_are_right(database)


def test_a_clear_posterior_frees_the_slots_that_are_left(database):
    make_project(database, pairs=1, overlap=5)
    set_policy(database, adaptive_max=7, adaptive_confidence=0.85)

    for number in range(2):
        annotator = add_annotator(database, f"annotator {number}")
        view = lease(database, annotator)
        (side,) = (side.label for side in view.sides if side.text == "first answer 1")
        submit(database, annotator, view, side)

    # P(a majority prefers the first | 2 to 0) = 1 - 1/2^3 = 0.875.
    with database.reading() as session:
        comparison = session.scalars(select(Comparison)).one()
    assert (comparison.judged, comparison.target, comparison.open_slots) == (2, 2, 0)
    assert lease(database, add_annotator(database, "Cy")) is None


def make_gold(database, number: int) -> list:
    """Turn the first comparisons of the queue into gold ones, as an import of gold makes them."""
    gold = ids_in_queue_order(database)[:number]
    columns = {"gold_verdict": "preferred", "gold_position": 0, "target": 0, "open_slots": 0}
    change_comparisons(database, Comparison.id.in_(gold), kind="gold", **columns)
    return gold


def test_gold_is_planted_among_normal_work_once_for_each_annotator(database):
    make_project(database, pairs=40)
    gold = make_gold(database, 4)
    set_policy(database, gold_share=0.4)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")

    seen = walk(database, ada)

    assert sorted(seen) == sorted(ids_in_queue_order(database))
    planted = [i for i, comparison in enumerate(seen) if comparison in gold]
    assert planted[-1] < 39
    # Bo finds no normal work, and gold alone is never handed out.
    assert walk(database, bo) == []
    with database.reading() as session:
        kinds = dict(session.execute(select(Judgment.comparison_id, Judgment.kind)).all())
    assert {comparison for comparison, kind in kinds.items() if kind == "gold"} == set(gold)
    assert_sums_are_right(database)


def test_a_repeat_comes_back_once_and_not_before_its_time(database):
    make_project(database, pairs=30)
    set_policy(database, repeat_share=0.5, repeat_after_hours=24)
    ada = add_annotator(database, "Ada")
    first_day = []
    for _ in range(10):
        view = lease(database, ada)
        first_day.append(comparison_of(database, view))
        submit(database, ada, view)

    seen = walk(database, ada, now=NOON + timedelta(hours=25))

    assert len(set(first_day)) == 10
    assert len(seen) == 20 + len(set(seen) & set(first_day))
    assert len(set(seen)) == len(seen)
    with database.reading() as session:
        repeats = session.scalars(select(Judgment).where(Judgment.kind == "repeat")).all()
        assert {judgment.comparison_id for judgment in repeats} == set(seen) & set(first_day)
        judged = session.scalars(select(Comparison.judged)).all()
    assert len(repeats) > 2
    assert set(judged) == {1}
    assert_sums_are_right(database)


@contextmanager
def statements(database):
    """The SQL of what runs in the block, also of what goes to the driver directly."""
    found: list[str] = []
    convert = Prepared.converted

    def note(_connection, _cursor, statement, *_rest) -> None:
        found.append(statement)

    def note_direct(self, given):
        found.append(self.text)
        return convert(self, given)

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "converted", note_direct)
        yield found
    for engine in database.engines:
        event.remove(engine, "before_cursor_execute", note)


def test_planted_work_takes_the_same_statements_and_shows_the_same_fields(database):
    make_project(database, pairs=60)
    make_gold(database, 15)
    set_policy(database, gold_share=0.25, repeat_share=0.25, repeat_after_hours=0)
    ada = add_annotator(database, "Ada")
    by_kind: dict[str, set] = {"normal": set(), "gold": set(), "repeat": set()}
    for i in range(30):
        now = NOON + i * SECOND
        with statements(database) as leasing:
            view = lease(database, ada, now=now)
        with statements(database) as submitting:
            submit(database, ada, view, "tie", now=now)
        with database.reading() as session:
            kind = session.get_one(Assignment, view.id).kind
        # Where a block ends, the next is looked for, whatever kind of work comes of it.
        searches = sum("open_slots > " in s and "LIMIT" in s for s in leasing)
        by_kind[kind].add((len(leasing) - searches, len(submitting)))
        # All that the statistics of a project ask of a judgment's transaction.
        assert sum("pending_judgments" in s or "project_sums" in s for s in submitting) == 1

    assert by_kind["normal"] == by_kind["gold"] == by_kind["repeat"]
    assert len(by_kind["normal"]) == 1


def beat(database, annotator, view, now):
    with database.writing() as session:
        return assignments.heartbeat(
            session, annotator, view.id, lease_seconds=LEASE_SECONDS, now=now
        )


def test_a_heartbeat_keeps_the_lease_from_running_out(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)

    assert beat(database, ada, view, NOON + LEASE / 2) == NOON + 1.5 * LEASE

    assert lease(database, bo, now=NOON + LEASE) is None
    submitted = submit(database, ada, view, now=NOON + 1.2 * LEASE)
    assert not submitted.judgment.late


def test_no_heartbeat_brings_an_ended_lease_back_whatever_became_of_its_slot(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    assert beat(database, ada, view, NOON + LEASE) == NOON + 2 * LEASE
    with database.writing() as session:
        assert slots.release_expired(session, project_of(session), now=NOON + 2 * LEASE) == 1

    for taken in (False, True):
        if taken:
            assert lease(database, bo, now=NOON + 2 * LEASE) is not None
        with pytest.raises(Conflict, match="expired and no longer reserved"):
            beat(database, ada, view, NOON + 2 * LEASE)
    assert submit(database, ada, view, now=NOON + 2 * LEASE).judgment.late


def test_a_page_that_nobody_leaves_does_not_hold_its_comparison_for_ever(database):
    make_project(database, pairs=1)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    end = now = NOON
    while now < NOON + assignments.LONGEST_HOLD * LEASE:
        end, now = beat(database, ada, view, now), now + LEASE / 2

    assert end == NOON + assignments.LONGEST_HOLD * LEASE
    assert lease(database, bo, now=end) is not None
    with pytest.raises(Conflict, match="no longer reserved"):
        beat(database, ada, view, end)


def test_only_the_owner_beats_and_only_for_what_is_not_finished(database):
    make_project(database, pairs=2)
    ada, bo = add_annotator(database, "Ada"), add_annotator(database, "Bo")
    view = lease(database, ada)
    with pytest.raises(NotFound):
        beat(database, bo, view, NOON)
    with database.writing() as session:
        judgments.skip(session, ada, view.id, "no", now=NOON)
    with pytest.raises(Conflict, match="skipped"):
        beat(database, ada, view, NOON)


def lease_and_submit(database, annotator):
    view = lease(database, annotator)
    submit(database, annotator, view)
    return view


def test_who_was_faster_than_the_others_still_gets_what_is_more_urgent_first(database, monkeypatch):
    make_project(database, pairs=3, overlap=2)
    import_plain(database, [pair(i) | {"priority": 5} for i in range(100, 108)])
    ada = add_annotator(database, "ada")
    monkeypatch.setattr(queue_order, "LOOK", 8)
    queue_order.open_comparisons.cache_clear()
    order = ids_in_queue_order(database)
    urgent = [comparison_of(database, lease_and_submit(database, ada)) for _ in range(8)]
    assert set(urgent) == set(order[:8])

    assert comparison_of(database, lease_and_submit(database, ada)) in order[8:]
    import_plain(database, [pair(200) | {"priority": 6}])
    assert comparison_of(database, lease(database, ada)) == ids_in_queue_order(database)[0]


def test_a_repeat_of_what_only_a_group_may_judge_is_not_for_who_left_the_group(database):
    make_project(database, pairs=0)
    import_plain(database, [pair(i) for i in range(3)])
    import_plain(database, [pair(9) | {"annotator_group": "medics", "priority": 1}])
    ada = add_annotator(database, "ada")
    with database.writing() as session:
        project_id = project_of(session).id
        session.get_one(Membership, (project_id, ada.id)).groups = ["medics"]
    restricted = comparison_of(database, lease_and_submit(database, ada))

    with database.writing() as session:
        known = {"annotator_id": ada.id, "project_id": project_id, "latest": NOON + LEASE}
        (row,) = run(session, queue._repeat(1), **known, group_0="medics")
        assert row.id == restricted
        assert run(session, queue._repeat(0), **known) == []
