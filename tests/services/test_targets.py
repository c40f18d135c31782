"""A changed policy reaches every comparison, whichever way its targets are computed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

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
from sqlalchemy import select

from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Comparison
from app.rules.queue_policy import QueuePolicy, first_target, target_after
from app.services import full_tallies, judgments, projects, targets
from app.services.judgments import Submission

POLICIES = [
    QueuePolicy(overlap=2),
    QueuePolicy(overlap=4, overlap_share=0.5),
    QueuePolicy(overlap=1, overlap_by_tag={"hard": 5, "odd": 3}),
    QueuePolicy(overlap=2, adaptive_max=6, adaptive_confidence=0.8),
    QueuePolicy(overlap=3),
    QueuePolicy(overlap=3, gold_share=0.1),
]


@pytest.fixture
def project(database):
    """Twelve comparisons: with tags, overlaps of their own, verdicts that agree and conflict."""
    make_project(database, pairs=0, overlap=1)
    votes = [[], [1], [1, 1], [1, 2], ["tie"], [1, 1, 1]]
    import_plain(
        database,
        [
            pair(
                number,
                tags=["hard"] if number % 3 == 0 else ["odd", "hard"] if number % 5 == 0 else [],
                judgments=[
                    {"annotator": f"w{i}", "verdict": verdict}
                    for i, verdict in enumerate(votes[number % 6])
                ],
            )
            for number in range(1, 13)
        ],
    )
    with database.writing() as session:
        rows = session.scalars(select(Comparison).order_by(Comparison.id)).all()
        rows[0].overlap, rows[1].overlap = 7, 1
    return database


def right_numbers(session, policy):
    """(target, open slots) of each comparison by the definition, one at a time."""
    leased = session.scalars(
        select(Assignment.comparison_id).where(Assignment.state == AssignmentState.LEASED)
    ).all()
    for row in session.scalars(select(Comparison)):
        first = first_target(policy, row.id, row.tags, row.overlap)
        votes = (row.n_first, row.n_second, row.n_tie, row.n_both_bad)
        target = target_after(policy, first, row.judged, votes)
        yield row, target, max(0, target - row.judged - leased.count(row.id))


def test_every_comparison_gets_the_target_of_the_new_policy(project):
    ada, bo = add_annotator(project, "Ada"), add_annotator(project, "Bo")
    lease(project, ada)
    submit(project, bo, lease(project, bo), "B")
    lease(project, bo)

    for policy in POLICIES:
        with project.writing() as session:
            projects.set_policy(session, project_of(session), policy)
        with project.reading() as session:
            for row, target, open_slots in right_numbers(session, policy):
                assert (row.target, row.open_slots) == (target, open_slots), policy


def test_many_comparisons_are_changed_in_parts(project, monkeypatch):
    monkeypatch.setattr(targets, "IN_LIST", 2)
    monkeypatch.setattr(targets, "_NORMAL_PART", targets._NORMAL_PART.limit(5))
    policy = QueuePolicy(overlap=9, overlap_share=0.5)

    with project.writing() as session:
        projects.set_policy(session, project_of(session), policy)

    with project.reading() as session:
        for row, target, open_slots in right_numbers(session, policy):
            assert (row.target, row.open_slots) == (target, open_slots)


# SQLite has one writer at a time, so nobody begins before the change and ends after it.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("given", "policy", "numbers"),
    [
        ([], QueuePolicy(overlap=3), (3, 1, 2)),
        # Two who conflict and a third leave one more to ask; credit is of the two alone.
        ([1, 2], QueuePolicy(overlap=3, adaptive_max=4), (4, 3, 1)),
    ],
)
def test_a_judgment_that_began_before_the_policy_changed_counts_with_the_new_one(
    database, given, policy, numbers
):
    earlier = {"ended_at": (NOON - timedelta(days=1)).isoformat()}
    votes = [{"annotator": f"w{i}", "verdict": v, **earlier} for i, v in enumerate(given)]
    make_project(database, pairs=0, overlap=len(votes) + 1)
    import_plain(database, [pair(1, judgments=votes)])
    ada = add_annotator(database, "Ada")
    view = lease(database, ada)
    loaded, changed = Event(), Event()

    def judge():
        with database.writing() as session:
            # As a page does; a session forgets what nobody holds.
            held = project_of(session)
            loaded.set()
            changed.wait(timeout=30)
            submission = Submission(verdict="A", idempotency_key="one of its kind")
            judgments.submit(session, ada, view.id, submission, now=NOON)
            assert held.slug == "p"

    with ThreadPoolExecutor(1) as pool:
        judging = pool.submit(judge)
        loaded.wait(timeout=30)
        with database.writing() as session:
            projects.set_policy(session, project_of(session), policy)
        changed.set()
        judging.result()

    with database.reading() as session:
        (row,) = session.scalars(select(Comparison))
        assert (row.target, row.judged, row.open_slots) == numbers
        assert full_tallies.check(session, project_of(session), policy) == []


def test_a_policy_that_only_plants_leaves_comparisons_alone():
    before = QueuePolicy(overlap=2, overlap_by_tag={"hard": 3})
    planting = QueuePolicy(
        overlap=2, overlap_by_tag={"hard": 3}, gold_share=0.1, repeat_share=0.1,
        repeat_after_hours=1,
    )  # fmt: skip

    assert targets.are_equal(before, planting)
    assert not targets.are_equal(before, QueuePolicy(overlap=2, overlap_by_tag={"hard": 4}))
    assert not targets.are_equal(before, QueuePolicy(overlap=3, overlap_by_tag={"hard": 3}))
