"""Models of annotators on a project's own judgments: which ones enter, and which fit is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    project_of,
    submit,
)
from helpers.office import SLUG, make_office
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import Comparison, Completion
from app.rules import crowd_bradley_terry, dawid_skene, one_coin
from app.rules.bootstrap import Statistic
from app.rules.latent_truth import LatentTruth
from app.services import annotator_models, annotator_rows
from app.services.annotator_models import (
    DAWID_SKENE,
    FIGURES,
    ONE_COIN,
    SIDE,
    SKILL,
)
from app.services.assignments import AssignmentView
from app.services.kept_fits import NO_FITS, NO_SOURCE, Fits, Fitted
from app.services.source_models import STRENGTH

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


def fits_of(database: Database, judgments: int = 0, slug: str = "p") -> Fits:
    with database.reading() as session:
        return annotator_models.for_project(session, project_of(session, slug), judgments)


def by_name(database: Database, fitted: Fitted) -> dict[str, tuple[float | int | None, ...]]:
    with database.reading() as session:
        names = {person.id: person.name for person in session.scalars(select(Annotator))}
    return {
        names[who].removeprefix("p/"): (s.value, s.low, s.high, s.n) for who, s in fitted.of.items()
    }


def expected(
    votes: list[dict[str, Vote]], rule: Callable[..., LatentTruth] = one_coin.fit
) -> dict[str, tuple[float | int, ...]]:
    """The rule on arrays that are written out of the votes."""
    people = sorted({who for given in votes for who in given})
    labels: list[Vote] = [1, 2, "tie"]
    rows = [
        (item, people.index(who), labels.index(verdict))
        for item, given in enumerate(votes)
        for who, verdict in given.items()
    ]
    items, annotators, given_labels = zip(*rows, strict=True)
    found = rule(
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


def contest(number: int, **extra: object) -> dict[str, object]:
    """A good response and a bad one, in an order that changes."""
    texts = [
        {"text": f"good {number}", "source": "good"},
        {"text": f"bad {number}", "source": "bad"},
    ]
    completions = texts[:: 1 if number % 2 else -1]
    return {"prompt": f"Contest {number}?", "completions": completions, **extra}


def judge_contests(
    database: Database, name: str, choose: Callable[[AssignmentView], str], contests: int
) -> None:
    # The id decides which side each response is on.
    annotator = add_annotator(database, name, annotator_id=uuid5(NAMESPACE_URL, name))
    for _ in range(contests):
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view, choose(view))


def see(view: AssignmentView) -> str:
    return "A" if view.sides[0].text.startswith("good") else "B"


def written_out(session: Session, slug: str) -> dict[str, dict[str, tuple[float | int, ...]]]:
    """What crowd-Bradley-Terry says of whom, from a plain loop over the judgments."""
    people: list[str] = []
    sources: list[str | None] = []
    rows, prompts = [], []
    for judgment, comparison, annotator in session.execute(
        select(Judgment, Comparison, Annotator)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .join(Annotator, Annotator.id == Judgment.annotator_id)
        .where(Judgment.project_id == project_of(session, slug).id)
    ):
        if comparison.kind == "gold" or judgment.kind == "repeat":
            continue
        left, right = (session.get_one(Completion, UUID(key)) for key in judgment.shown_order)
        assert left.source != right.source
        wins = {left.id: 1.0, right.id: 0.0, None: 0.5}[judgment.preferred_id]
        for known, name in (
            (people, annotator.name),
            (sources, left.source),
            (sources, right.source),
        ):
            if name not in known:
                known.append(name)
        numbers = (
            people.index(annotator.name),
            sources.index(left.source),
            sources.index(right.source),
        )
        rows.append((*numbers, wins))
        prompts.append(comparison.prompt_id.int % 2**61)
    found = crowd_bradley_terry.fit(
        *zip(*rows, strict=True), n_sources=len(sources), n_annotators=len(people), prompts=prompts
    )
    n = [sum(row[0] == i for row in rows) for i in range(len(people))]
    met = [sum(i in row[1:3] for row in rows) for i in range(len(sources))]
    return {
        figure: dict(zip(names, zip(of.value, of.low, of.high, times, strict=True), strict=True))
        for figure, of, names, times in (
            (SKILL, found.skills, people, n),
            (SIDE, found.sides, people, n),
            (STRENGTH, found.strengths, [source or NO_SOURCE for source in sources], met),
        )
    }


def test_a_project_without_judgments_has_nobody_to_tell_about(database: Database) -> None:
    make_project(database, pairs=2)
    nobody = Fitted(of={}, judgments=0, fitted_at=None)
    assert fits_of(database) == dict.fromkeys(FIGURES, nobody)


def test_one_alone_has_a_side_and_no_skill_to_compare(database: Database) -> None:
    make_project(database, pairs=0)
    assert not import_plain(database, [contest(number) for number in range(8)]).rejected
    judge_contests(database, "ada", see, 8)
    fits = fits_of(database)
    (skill,), (side,) = fits[SKILL].of.values(), fits[SIDE].of.values()
    assert skill == Statistic(value=None, n=8, reason="alone")
    assert side.value is not None
    assert side.low is not None
    assert side.low < side.value


@pytest.mark.parametrize(
    ("figure", "rule"), [(ONE_COIN, one_coin.fit), (DAWID_SKENE, dawid_skene.fit)]
)
def test_accuracies_are_those_of_the_rule_on_the_votes(
    database: Database, figure: str, rule: Callable[..., LatentTruth]
) -> None:
    make_voted(database)
    found = fits_of(database)[figure]
    # Three times three, one pair and a single one are 4 * 3 + 2 + 1.
    assert (found.judgments, found.fitted_at) == (15, None)
    assert_close(by_name(database, found), expected(VOTES, rule))
    # With most others on four of five comparisons, and with one of them on two of four.
    assert expected(VOTES, rule)["u"][0] > expected(VOTES, rule)["w"][0]


def test_only_the_models_that_are_asked_for_are_fitted(database: Database) -> None:
    make_voted(database)
    with database.reading() as session:
        found = annotator_models.for_project(session, project_of(session), 0, (ONE_COIN,))
    assert found == {ONE_COIN: fits_of(database)[ONE_COIN]}


def test_skills_and_sides_are_those_of_the_rule_on_a_plain_loop(database: Database) -> None:
    make_office(database, comparisons=48)
    fits = fits_of(database, slug=SLUG)
    with database.reading() as session:
        wanted = written_out(session, SLUG)
    for figure in (SKILL, SIDE):
        assert_close(by_name(database, fits[figure]), wanted[figure])
        assert fits[figure].judgments == sum(n for *_, n in wanted[figure].values())
    with database.reading() as session:
        found = annotator_models.of_sources(session, project_of(session, SLUG), 0)[STRENGTH]
    told = {name: (s.value, s.low, s.high, s.n) for name, s in found.of.items()}
    assert_close(told, wanted[STRENGTH])
    assert found.judgments == fits[SKILL].judgments


def test_who_always_clicks_left_leans_left_and_sees_nothing(database: Database) -> None:
    make_project(database, pairs=0, overlap=4)
    assert not import_plain(database, [contest(number) for number in range(40)]).rejected
    for name in ("ada", "lin", "bo"):
        judge_contests(database, name, see, 40)
    judge_contests(database, "left", lambda view: "A", 40)
    fits = fits_of(database)
    skills, sides = (by_name(database, fits[figure]) for figure in (SKILL, SIDE))
    assert sides["left"][1] > 1
    # The mean is 1, so that what one lacks the others have.
    assert skills["left"][1] < 0 < skills["left"][2] < 0.8
    for name in ("ada", "lin", "bo"):
        assert sides[name][1] < 0 < sides[name][2]
        assert skills[name][0] > 1
    # In the list they are the weakest, around no skill at all, though half of the time right.
    with database.reading() as session:
        listed = annotator_rows.for_project(session, project_of(session), fits=fits, sort="skill")
    weakest = listed.rows[0]
    assert (weakest.name, weakest.skill.n) == ("left", 40)
    assert weakest.skill.low is not None
    assert weakest.skill.high is not None
    assert weakest.skill.low < 0 < weakest.skill.high < 0.5
    assert weakest.accuracy.value == pytest.approx(0.5, abs=0.15)


def test_who_has_no_skill_is_told_why(database: Database) -> None:
    make_project(database, pairs=0, overlap=3)
    imported = [{"annotator": "w", "verdict": 1}]
    of_one = {"completions": [{"text": text, "source": "one"} for text in ("good 3", "bad 3")]}
    alone = [{"annotator": "x", "verdict": 1}]
    records = [
        contest(1, judgments=imported),
        contest(2),
        of_one | {"prompt": "?", "judgments": alone},
    ]
    assert not import_plain(database, records).rejected
    judge_contests(database, "ada", see, 3)
    judge_contests(database, "lin", see, 3)
    fits = fits_of(database)
    with database.reading() as session:
        people = {person.name: person.id for person in session.scalars(select(Annotator))}
    for figure in (SKILL, SIDE):
        told = {name: annotator_models.told(fits, figure, who) for name, who in people.items()}
        assert told["p/w"] == Statistic(value=None, n=0, reason="no_shown_sides")
        assert told["p/x"] == Statistic(value=None, n=0, reason="no_contests")
        # Of her three comparisons one is of a source with itself.
        assert (told["ada"].n, told["ada"].reason) == (2, None)
    assert annotator_models.told(fits, ONE_COIN, people["p/x"]).n == 1
    stranger = UUID(int=5)
    assert annotator_models.told(fits, SKILL, stranger).reason == "no_data"
    assert annotator_models.told(NO_FITS, SKILL, stranger).reason == "not_fitted"


def test_known_answers_and_comparisons_of_three_stay_out(database: Database) -> None:
    make_voted(database)
    before = fits_of(database)
    planted = votes_on(90, {"u": 2, "v": 2, "x": 2}, gold=1)
    three = votes_on(91, {"u": 3, "w": 1}) | {"completions": ["one", "two", "three"]}
    assert not import_plain(database, [planted, three]).rejected
    assert fits_of(database) == before


def test_a_repeat_stays_out(database: Database) -> None:
    make_voted(database)
    before = fits_of(database)
    with database.writing() as session:
        # The first of an annotator's judgments of a comparison is the one that counts.
        earlier = NOON - timedelta(hours=1)
        again = {"kind": "repeat", "verdict": "both_bad", "preferred_id": None}
        session.add(changed_copy(session, "w", received_at=earlier, **again))
    assert fits_of(database) == before


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
    assert_close(by_name(database, fits_of(database)[ONE_COIN]), expected(revised))
    # Who contradicts three is right less often than who agrees with them.
    assert expected(revised)["z"][0] < expected(votes)["z"][0] - 0.05


def test_a_large_project_tells_its_last_fits_and_when_they_were_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_voted(database)
    monkeypatch.setattr(annotator_models, "FITTED_UP_TO", 15)
    live = fits_of(database, 15)
    assert fits_of(database, 16) == NO_FITS

    later = NOON + timedelta(hours=1)
    made = annotator_models.fit(database, "p", now=later)
    kept = fits_of(database, 16)

    assert made == live
    assert kept == {name: replace(fitted, fitted_at=later) for name, fitted in live.items()}
    assert (kept[ONE_COIN].judgments, kept[SKILL].judgments) == (15, 0)
    with database.reading() as session:
        of_sources = annotator_models.of_sources(session, project_of(session), 16)
    assert of_sources[STRENGTH] == Fitted(of={}, judgments=0, fitted_at=later)
    assert_close(by_name(database, kept[ONE_COIN]), expected(VOTES))

    # More judgments change what is stored now, and leave the fits until somebody wants others.
    more = {"u": 1, "v": 1, "w": 2}
    import_plain(database, [votes_on(7, more)])
    assert fits_of(database, 18) == kept
    now = fits_of(database, 15)[ONE_COIN]
    assert (now.judgments, now.fitted_at) == (18, None)
    annotator_models.fit(database, "p", now=NOON + timedelta(hours=2))
    again = fits_of(database, 18)[ONE_COIN]
    assert (again.judgments, again.fitted_at) == (18, NOON + timedelta(hours=2))
    assert_close(by_name(database, again), expected([*VOTES, more]))
