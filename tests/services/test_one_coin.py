"""The one-coin model on a project's own judgments: which ones enter, and which fit is told."""

from datetime import timedelta

import pytest
from helpers.data import NOON, import_plain, make_project, project_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.rules import one_coin as model
from app.services import one_coin
from app.services.one_coin import Accuracies

Vote = int | str
VOTES: list[dict[str, Vote]] = [
    {"u": 1, "v": 1, "w": 1},
    {"u": 2, "v": 2, "w": 1},
    {"u": 1, "v": 1, "w": 2},
    {"u": 2, "v": "tie", "w": 2},
    {"u": "tie", "v": "tie"},
    {"w": 2},
]
"""By annotator, of six comparisons."""


def votes_on(number: int, votes: dict[str, Vote], **extra: object) -> dict[str, object]:
    return {
        "prompt": f"Question {number}?",
        "completions": [f"first {number}", f"second {number}"],
        "judgments": [{"annotator": who, "verdict": verdict} for who, verdict in votes.items()],
        **extra,
    }


def make_voted(database: Database) -> None:
    make_project(database, pairs=1)
    records = [votes_on(number, votes) for number, votes in enumerate(VOTES)]
    assert not import_plain(database, records).rejected


def accuracies(database: Database, judgments: int = 0) -> Accuracies | None:
    with database.reading() as session:
        return one_coin.for_project(session, project_of(session), judgments)


def by_name(
    database: Database, found: Accuracies | None
) -> dict[str, tuple[float | int | None, ...]]:
    assert found is not None
    with database.reading() as session:
        names = {person.id: person.name for person in session.scalars(select(Annotator))}
    return {
        names[who].removeprefix("p/"): (s.value, s.low, s.high, s.n) for who, s in found.of.items()
    }


def expected(votes: list[dict[str, Vote]]) -> dict[str, tuple[float | int, ...]]:
    """The rule on arrays that are written out of the votes."""
    people = sorted({who for given in votes for who in given})
    labels: list[Vote] = [1, 2, "tie"]
    rows = [
        (item, people.index(who), labels.index(verdict))
        for item, given in enumerate(votes)
        for who, verdict in given.items()
    ]
    items, annotators, given_labels = zip(*rows, strict=True)
    found = model.fit(
        items,
        annotators,
        given_labels,
        n_items=len(votes),
        n_annotators=len(people),
        n_labels=3,
        exchangeable=(0, 1),
    )
    return {
        who: (found.accuracy[i], found.low[i], found.high[i], annotators.count(i))
        for i, who in enumerate(people)
    }


def assert_close(
    found: dict[str, tuple[float | int | None, ...]], wanted: dict[str, tuple[float | int, ...]]
) -> None:
    assert found.keys() == wanted.keys()
    for who, figures in wanted.items():
        assert found[who] == pytest.approx(figures, abs=1e-5), who


def changed_copy(session: Session, who: str, **changed: object) -> Judgment:
    """A row like one of an annotator's judgments."""
    mine = select(Judgment).join(Annotator, Annotator.id == Judgment.annotator_id)
    old = session.scalars(mine.where(Annotator.name == f"p/{who}").order_by(Judgment.id)).first()
    assert old is not None
    values = {c.name: getattr(old, c.name) for c in Judgment.__table__.columns if c.name != "id"}
    return Judgment(**values | {"idempotency_key": "another"} | changed)


def test_a_project_without_judgments_has_nobody_to_tell_about(database: Database) -> None:
    make_project(database, pairs=2)
    found = accuracies(database)
    assert found == Accuracies(of={}, judgments=0, fitted_at=None)


def test_accuracies_are_those_of_the_rule_on_the_votes(database: Database) -> None:
    make_voted(database)
    found = accuracies(database)
    assert found is not None
    # Three times three, one pair and a single one are 4 * 3 + 2 + 1.
    assert (found.judgments, found.fitted_at) == (15, None)
    assert_close(by_name(database, found), expected(VOTES))
    # With most others on four of five comparisons, and with one of them on two of four.
    assert expected(VOTES)["u"][0] > expected(VOTES)["w"][0]


def test_known_answers_and_comparisons_of_three_stay_out(database: Database) -> None:
    make_voted(database)
    before = accuracies(database)
    planted = votes_on(90, {"u": 2, "v": 2, "x": 2}, gold=1)
    three = votes_on(91, {"u": 3, "w": 1}) | {"completions": ["one", "two", "three"]}
    assert not import_plain(database, [planted, three]).rejected
    assert accuracies(database) == before


def test_a_repeat_stays_out(database: Database) -> None:
    make_voted(database)
    before = accuracies(database)
    with database.writing() as session:
        # The first of an annotator's judgments of a comparison is the one that counts.
        earlier = NOON - timedelta(hours=1)
        again = {"kind": "repeat", "verdict": "both_bad", "preferred_id": None}
        session.add(changed_copy(session, "w", received_at=earlier, **again))
    assert accuracies(database) == before


def test_a_judgment_that_was_revised_is_out_and_its_revision_is_in(database: Database) -> None:
    make_project(database, pairs=1)
    # Only the first comparison is one that `z` judged.
    votes: list[dict[str, Vote]] = [VOTES[0] | {"z": 1}, *VOTES[1:]]
    import_plain(database, [votes_on(number, given) for number, given in enumerate(votes)])
    with database.writing() as session:
        (old,) = session.scalars(
            select(Judgment.id)
            .join(Annotator, Annotator.id == Judgment.annotator_id)
            .where(Annotator.name == "p/z")
        )
        revision = {"supersedes_id": old, "verdict": "tie", "preferred_id": None}
        session.add(changed_copy(session, "z", **revision))
    revised: list[dict[str, Vote]] = [VOTES[0] | {"z": "tie"}, *VOTES[1:]]
    assert_close(by_name(database, accuracies(database)), expected(revised))
    # Who contradicts three is right less often than who agrees with them.
    assert expected(revised)["z"][0] < expected(votes)["z"][0] - 0.05


def test_a_large_project_tells_its_last_fit_and_when_it_was_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_voted(database)
    monkeypatch.setattr(one_coin, "FITTED_UP_TO", 15)
    live = accuracies(database, 15)
    assert accuracies(database, 16) is None

    made = one_coin.fit(database, "p", now=NOON + timedelta(hours=1))
    kept = accuracies(database, 16)

    assert made == live
    assert kept is not None
    assert (kept.judgments, kept.fitted_at) == (15, NOON + timedelta(hours=1))
    assert_close(by_name(database, kept), expected(VOTES))

    # More judgments change what is stored now, and leave the fit until somebody wants another.
    more = {"u": 1, "v": 1, "w": 2}
    import_plain(database, [votes_on(7, more)])
    assert accuracies(database, 18) == kept
    now = accuracies(database, 15)
    assert now is not None
    assert (now.judgments, now.fitted_at) == (18, None)
    one_coin.fit(database, "p", now=NOON + timedelta(hours=2))
    again = accuracies(database, 18)
    assert again is not None
    assert (again.judgments, again.fitted_at) == (18, NOON + timedelta(hours=2))
    assert_close(by_name(database, again), expected([*VOTES, more]))
