"""What was written about disagreements: what is one reason, what comes first, what is left out."""

from datetime import timedelta

import pytest
from helpers.adjudicating import LATER, add_reviewer, decide
from helpers.data import add_annotator, lease, make_project, project_of, submit
from sqlalchemy import select

from app.models.judgments import Assignment
from app.models.projects import Comparison
from app.services import candidates, reasons

SECOND = timedelta(seconds=1)
SAID = {
    "ada": ("A", "Shorter is better.", ["short"]),
    "bo": ("B", "  shorter IS\nbetter. ", ["short", "clear"]),
    "cleo": ("tie", "The second one errs.", []),
    "dora": ("A", None, ["clear"]),
}


@pytest.fixture
def judged(database):
    """Two comparisons, each judged by all of SAID, who differ; the ids in the order of judging."""
    make_project(database, pairs=2, overlap=4)
    people = {name: add_annotator(database, name) for name in SAID}
    found = []
    for turn in range(2):
        for number, (name, (verdict, rationale, codes)) in enumerate(SAID.items()):
            now, person = LATER + (10 * turn + number) * SECOND, people[name]
            view = lease(database, person, now=now)
            submit(
                database, person, view, verdict, now=now, rationale=rationale, reason_codes=codes
            )
            with database.reading() as session:
                found.append(session.get_one(Assignment, view.id).comparison_id)
    return list(dict.fromkeys(found))


def read(database, of):
    with database.reading() as session:
        return of(session, project_of(session))


def test_equal_texts_are_one_reason_the_most_frequent_first_as_it_was_written_last(
    database, judged
):
    (group,) = read(database, reasons.of_undecided)
    assert [(r.text, r.times, len(r.comparisons)) for r in group.reasons] == [
        ("shorter IS\nbetter.", 4, 2),
        ("The second one errs.", 2, 2),
    ]
    assert [(code.text, code.times) for code in group.codes] == [("clear", 4), ("short", 4)]
    assert group.comparisons == set(judged)
    assert (group.cause, group.left_out) == (None, 0)
    assert read(database, reasons.of_decided) == []


def test_decisions_make_groups_and_notes_are_reasons(database, judged):
    vera = add_reviewer(database)
    first, second = judged
    decide(database, vera, first, "split", cause="taste", note="Say what short means.")
    decide(database, vera, second, "split")
    groups = read(database, reasons.of_decided)
    assert {group.cause for group in groups} == {"taste", None}
    taste = next(group for group in groups if group.cause == "taste")
    # Two said so of this comparison.
    assert taste.reasons[0].text == "shorter IS\nbetter."
    assert {(r.text, r.times) for r in taste.reasons[1:]} == {
        ("The second one errs.", 1), ("Say what short means.", 1),
    }  # fmt: skip
    assert taste.comparisons == {first}
    assert read(database, reasons.of_undecided) == []

    with database.writing() as session:
        candidates.propose(
            session, project_of(session), first, "Say what short means.", by=vera, now=LATER
        )
    marked = read(database, reasons.of_decided)
    suggested = [r.text for group in marked for r in group.reasons if r.is_suggested]
    assert suggested == ["Say what short means."]


def test_what_nobody_differs_on_is_left_out_and_so_is_what_is_beyond_the_limits(
    database, judged, monkeypatch
):
    with database.writing() as session:
        agreed = session.get_one(Comparison, judged[0])
        agreed.contested = False
    (group,) = read(database, reasons.of_undecided)
    assert group.comparisons == {judged[1]}

    monkeypatch.setattr(reasons, "MOST", 1)
    (group,) = read(database, reasons.of_undecided)
    assert [reason.times for reason in group.reasons] == [2]
    assert group.left_out == 1
    monkeypatch.setattr(reasons, "LOOK_AT", 0)
    assert read(database, reasons.of_undecided) == []
    with database.reading() as session:
        assert session.scalars(select(Comparison.id)).all() != []
