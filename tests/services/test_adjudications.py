"""Blind decisions: who may make them, what they leave, and how they are counted."""

from datetime import timedelta
from uuid import UUID

import pytest
from helpers.adjudicating import LATER, add_reviewer, decide, split_comparison
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
from sqlalchemy import select

from app.errors import Conflict, InvalidInput, NotFound
from app.models.accounts import AuditEntry
from app.models.adjudications import Adjudication
from app.models.judgments import Judgment
from app.models.projects import Comparison
from app.services import adjudications, full_tallies, guidelines, judgment_readings, queue


def see(database, reviewer, comparison):
    with database.reading() as session:
        return adjudications.blind(session, project_of(session), reviewer, comparison)


@pytest.fixture
def contested(database):
    make_project(database, pairs=0, guideline="Be fair.")
    return split_comparison(database, reason="because")


def test_a_side_becomes_the_response_that_stood_there(database, contested):
    for name in ("vera", "olga", "rosa"):
        reviewer = add_reviewer(database, name)
        view = see(database, reviewer, contested)
        stored = decide(database, reviewer, contested, "B", revises=view.revises)
        with database.reading() as session:
            texts = adjudications._texts(session, contested)
        assert texts[stored.preferred_id] == view.sides[1].text
        assert [texts[key] for key in adjudications_order(stored)] == [
            side.text for side in view.sides
        ]


def adjudications_order(stored: Adjudication):
    return [UUID(hex=key) for key in stored.shown_order]


def test_sides_are_stable_for_a_reviewer_and_shuffled_between_reviewers(database, contested):
    reviewers = [add_reviewer(database, f"reviewer {n}") for n in range(12)]
    first = [see(database, reviewer, contested).sides for reviewer in reviewers]
    again = [see(database, reviewer, contested).sides for reviewer in reviewers]
    assert first == again
    assert len({sides[0].text for sides in first}) == 2


def test_nobody_decides_what_they_judged(database):
    make_project(database, pairs=1, overlap=2)
    ada, vera = add_annotator(database, "ada"), add_reviewer(database)
    view = lease(database, ada)
    submit(database, ada, view)
    with database.reading() as session:
        comparison = session.scalars(select(Comparison.id)).one()

    with pytest.raises(Conflict, match="You judged this comparison yourself"):
        see(database, ada, comparison)
    with pytest.raises(Conflict, match="You judged this comparison yourself"):
        decide(database, ada, comparison)
    assert decide(database, vera, comparison, "tie").outcome == "tie"


def test_what_nobody_judged_what_is_gold_and_what_is_elsewhere_is_refused(database, contested):
    vera = add_reviewer(database)
    make_project(database, pairs=1, slug="other")
    import_plain(database, [pair(5, gold=1)])
    with database.reading() as session:
        rows = session.scalars(select(Comparison)).all()
    elsewhere = next(row.id for row in rows if row.project_id == project_id_of("other"))
    with pytest.raises(NotFound):
        decide(database, vera, elsewhere)
    gold = next(row.id for row in rows if row.kind == "gold")
    with pytest.raises(Conflict, match="known answer"):
        decide(database, vera, gold)
    import_plain(database, [pair(6)])
    with database.reading() as session:
        unjudged = session.scalars(
            select(Comparison.id).where(
                Comparison.judged == 0,
                Comparison.kind == "normal",
                Comparison.project_id == project_of(session).id,
            )
        ).one()
    with pytest.raises(Conflict, match="Nobody has judged"):
        decide(database, vera, unjudged)


def test_who_has_seen_the_judgments_decides_and_the_decision_says_so(database, contested):
    vera, olga = add_reviewer(database), add_reviewer(database, "olga")
    with database.writing() as session:
        judgment_readings.note(session, vera, [contested], now=NOON)
    with database.writing() as session:
        # To look again later changes nothing: what was seen was seen then.
        judgment_readings.note(session, vera, [contested], now=LATER)
    assert see(database, vera, contested).seen_at == NOON
    assert see(database, olga, contested).seen_at is None

    first = decide(database, vera, contested, "split")
    decide(database, olga, contested, "tie", revises=first.id, now=LATER + timedelta(hours=1))
    with database.reading() as session:
        found = adjudications.history(session, contested)
    assert [(a.reviewer_name, a.blind) for a in found] == [("olga", True), ("vera", False)]


def test_a_decision_sent_twice_is_stored_once(database, contested):
    vera = add_reviewer(database)
    first = decide(database, vera, contested, "split", cause="taste", note=" fine ")
    again = decide(database, vera, contested, "split", cause="taste", note="fine")
    assert again.id == first.id
    with database.reading() as session:
        assert len(adjudications.history(session, contested)) == 1


def test_who_decides_on_an_old_page_is_told_and_nothing_is_stored(database, contested):
    vera, olga = add_reviewer(database), add_reviewer(database, "olga")
    decide(database, vera, contested, "split")
    with pytest.raises(Conflict, match="since your page was made"):
        decide(database, olga, contested, "tie")
    with database.reading() as session:
        (only,) = adjudications.history(session, contested)
    assert only.reviewer_name == "vera"


def test_a_revision_supersedes_and_keeps_what_was(database, contested):
    vera, olga = add_reviewer(database), add_reviewer(database, "olga")
    decide(database, vera, contested, "split", cause="taste")
    view = see(database, olga, contested)
    assert view.revises_whose == "vera"
    decide(
        database,
        olga,
        contested,
        "tie",
        cause="factual",
        revises=view.revises,
        now=LATER + timedelta(hours=1),
    )
    with database.reading() as session:
        found = adjudications.history(session, contested)
        current = adjudications.decided(session, [contested])
        (row,) = adjudications.causes(session, project_of(session))
    assert [(a.reviewer_name, a.outcome, a.superseded) for a in found] == [
        ("olga", "tie", False),
        ("vera", "split", True),
    ]
    assert current[contested].outcome == "tie"
    assert (row.cause, row.total) == ("factual", 1)


def test_judgments_and_sums_stay_as_they_were(database, contested):
    vera = add_reviewer(database)

    def stored():
        with database.reading() as session:
            project = project_of(session)
            assert full_tallies.check(session, project, queue.policy_of(project)) == []
            return sorted(str(key) for key in session.scalars(select(Judgment.id)))

    before = stored()
    decide(database, vera, contested, "A", cause="slip")
    assert stored() == before


def test_causes_are_counted_by_the_newest_version_that_judgments_followed(database):
    make_project(database, pairs=1, overlap=2, guideline="Be fair.")
    ada, lin = add_annotator(database, "ada"), add_annotator(database, "lin")
    submit(database, ada, lease(database, ada), "A")
    with database.writing() as session:
        guidelines.publish(session, project_of(session), "Be kind.", by=None, now=NOON)
    submit(database, lin, lease(database, lin), "tie")
    with database.reading() as session:
        judged_here = session.scalars(select(Comparison.id)).one()
    imported = [split_comparison(database, number, reason="so") for number in (7, 8)]
    vera = add_reviewer(database)

    decide(database, vera, judged_here, "split", cause="taste")
    decide(database, vera, imported[0], "split", cause="taste")
    decide(database, vera, imported[1], "split")

    with database.reading() as session:
        rows = adjudications.causes(session, project_of(session))
    assert [(row.cause, row.total, row.by_version) for row in rows] == [
        ("taste", 2, {2: 1, None: 1}),
        (None, 1, {None: 1}),
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"outcome": "C"}, "names side 'C'"),
        ({"outcome": "tie", "cause": "mood"}, "cause is 'mood'"),
        ({"outcome": "tie", "note": "x" * 10_001}, "10001 characters"),
    ],
)
def test_a_wrong_decision_is_refused_in_one_sentence(database, contested, fields, sentence):
    vera = add_reviewer(database)
    with pytest.raises(InvalidInput, match=sentence):
        decide(database, vera, contested, **fields)


def test_decisions_are_in_the_audit_log_without_the_text(database, contested):
    vera = add_reviewer(database)
    decide(database, vera, contested, "split", note="a private remark")
    with database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.subject, entry.annotator_id) == (
        "adjudicated",
        "project p",
        vera.id,
    )
    assert entry.details == {"comparison": str(contested), "revises": False}
