"""What is kept is compared with all rows, the columns of comparisons too."""

from datetime import timedelta
from uuid import UUID

import pytest
from helpers.adjudicating import add_reviewer, decide, find_comparison
from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_id_of,
    project_of,
    submit,
)
from helpers.policy import set_policy
from sqlalchemy import text, update

from app.models.accounts import Annotator
from app.models.projects import Comparison
from app.services import full_tallies, judgments, memberships, people, queue, statistics


def problems(database):
    with database.reading() as session:
        project = project_of(session)
        return full_tallies.check(session, project, queue.policy_of(project))


@pytest.fixture
def worked(database):
    """Work of every kind: verdicts of all sorts, a skip, a lease that ended and one that did not, a
    late judgment, gold, a repeat, imports, a decision, changed policies, people who left."""
    three = {"prompt": "Three?", "completions": ["x", "y", "z"]}
    make_project(database, pairs=8, overlap=2)
    import_plain(database, [three, pair(20, gold=1), pair(21, tags=["hard"], overlap=3)])
    ada, bo, cy, dan, eve = (
        add_annotator(database, name, annotator_id=UUID(int=number))
        for number, name in enumerate(("Ada", "Bo", "Cy", "Dan", "Eve"), start=1)
    )
    left = lease(database, dan)
    set_policy(database, gold_share=0.2, repeat_share=0.2, repeat_after_hours=0.0)
    now = NOON + timedelta(hours=1)
    for annotator, verdicts in ((ada, "AABB"), (bo, "ABAB"), (cy, "BBAA")):
        for verdict in (*verdicts, "tie", "both_bad", *verdicts):
            now += timedelta(minutes=20)
            view = lease(database, annotator, now=now)
            if view is not None:
                submit(database, annotator, view, verdict, now=now)
    submit(database, dan, left, "tie", now=now)
    set_policy(database, overlap=3, adaptive_max=5, overlap_by_tag={"hard": 4})
    view = lease(database, dan, now=now)
    with database.writing() as session:
        judgments.skip(session, dan, view.id, "not for me", now=now)
    lease(database, eve, now=now)
    given = [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate([1, 2, "tie"])]
    import_plain(database, [pair(30, judgments=given), pair(1, judgments=given[:1])])
    decide(database, add_reviewer(database), with_number(database, 30), "split", now=now)
    with database.writing() as session:
        boss, project = session.get(Annotator, ada.id), project_of(session)
        people.disable(session, session.get(Annotator, bo.id), by=boss, now=now)
        memberships.remove(session, project, session.get(Annotator, cy.id), by=boss, now=now)
    set_policy(database, overlap=2, adaptive_max=None, overlap_share=0.5)
    set_policy(database, overlap=3, adaptive_max=4, adaptive_confidence=0.8)
    return database


def with_number(database, number):
    with database.reading() as session:
        return find_comparison(session, number)


def test_work_of_every_kind_leaves_no_difference(worked, monkeypatch):
    with worked.reading() as session:
        kinds = session.execute(text("SELECT DISTINCT kind, late FROM judgments")).all()
        states = session.execute(text("SELECT DISTINCT state FROM assignments")).scalars()
        assert {kind for kind, _ in kinds} == {"normal", "gold", "repeat"}
        assert any(late for _, late in kinds)
        assert {"leased", "judged", "skipped"} <= set(states)
    assert problems(worked) == []
    statistics.catch_up(worked, project_id_of("p"), now=NOON)

    # The same in parts, and so is the state that was built of one.
    monkeypatch.setattr(full_tallies, "_PART", full_tallies._PART.limit(2))
    monkeypatch.setattr(statistics, "_PART", statistics._PART.limit(2))
    assert problems(worked) == []
    with worked.reading() as session:
        assert statistics.check(session, project_id_of("p")) == []


def test_a_column_that_is_wrong_is_named_and_rebuilding_mends_it(worked):
    one = with_number(worked, 30)
    with worked.reading() as session:
        right = session.get(Comparison, one)
        kept = {name: getattr(right, name) for name in full_tallies.KEPT_COLUMNS}
    # By hand: one each of three labels, undecided at every confidence, so one more of at most four.
    assert kept == {
        "judged": 3, "contested": True, "target": 4, "open_slots": 1,
        "n_first": 1, "n_second": 1, "n_tie": 1, "n_both_bad": 0,
    }  # fmt: skip

    for name, value in kept.items():
        wrong = not value if name == "contested" else value + 1
        with worked.writing() as session:
            session.execute(update(Comparison).where(Comparison.id == one).values({name: wrong}))

        assert problems(worked) == [
            f"comparisons.{name}: 1 wrong, the first is {one}: kept {wrong}, computed {value}"
        ]

        with worked.writing() as session:
            project = project_of(session)
            full_tallies.rebuild(session, project, queue.policy_of(project))
        assert problems(worked) == []

    with worked.writing() as session:
        n = session.execute(update(Comparison).values(judged=Comparison.judged + 7)).rowcount
    # Open slots follow from the right number, so they are what they should be.
    (line,) = problems(worked)
    assert line.startswith(f"comparisons.judged: {n} wrong, the first is ")
