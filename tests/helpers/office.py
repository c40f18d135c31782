"""A project of four weeks that dashboards have something to say about: annotators who differ, three
sources that differ, tags, strengths, known answers, and a second guideline that helps.

Everything is drawn with one seed; who is right how often is in PEOPLE.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.random import Generator
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator, Role
from app.models.projects import Project
from app.rules.queue_policy import QueuePolicy
from app.services import accounts, assignments, guidelines, judgments, projects
from app.services.assignments import AssignmentView
from app.services.import_files import Record
from app.services.imports import import_records
from app.services.judgments import Submission

SLUG = "office"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FIRST_GUIDELINE = "# Which reply helps more?\n\nChoose the reply that you would send."
SECOND_GUIDELINE = (
    "# Which reply helps more?\n\nChoose the reply that you would send.\n\n"
    "- An answer to the question comes before a kind tone.\n- A reply that is too long loses."
)
TOPICS = ("an invoice that was paid twice", "a parcel that is late", "a lost password",
          "a broken chair", "a meeting to move", "a refund", "a change of address")  # fmt: skip
SOURCES = ("model-large", "model-medium", "model-small")
"""The best one first."""
PEOPLE = {
    "alma": 0.95, "bo": 0.92, "carl": 0.9, "dora": 0.93, "edda": 0.88, "finn": 0.9, "guess": 0.0,
}  # fmt: skip
"""How often each sees which reply is better; `guess` looks at none and follows GUESSES."""
GUESSES = {"A": 0.6, "B": 0.1, "tie": 0.15, "both_bad": 0.15}
WEEKS = 4
WHY = {True: "It says what happens next, and by when.", False: "Shorter, and that is enough.",
       None: "Both would do."}  # fmt: skip
"""What people write now and then who prefer the longer reply, the shorter one, or neither."""
UNCLEAR_UNTIL = 2
"""The weeks in which the first guideline holds, and everybody errs more often."""


def make_office(database: Database, *, comparisons: int = 160, seed: int = 5) -> None:
    """The project, with WEEKS weeks of work of PEOPLE."""
    rng = np.random.default_rng(seed)
    with database.writing() as session:
        project = projects.create(
            session, slug=SLUG, name="Office replies", question="Which reply helps more?",
            overlap=3, guideline=FIRST_GUIDELINE, now=START,
        )  # fmt: skip
    records = [Record(line=i, value=_record(i, rng)) for i in range(1, comparisons + 1)]
    assert not import_records(database, SLUG, records, now=START).rejected
    with database.writing() as session:
        project = projects.by_slug(session, SLUG)
        projects.set_policy(session, project, QueuePolicy(overlap=3, gold_share=0.1))
        people = [_join(session, project, name) for name in PEOPLE]
    each = -(-3 * comparisons // WEEKS // len(people))
    for week in range(WEEKS):
        with database.writing() as session:
            project = projects.by_slug(session, SLUG)
            if week == UNCLEAR_UNTIL:
                now = START + timedelta(weeks=week)
                guidelines.publish(session, project, SECOND_GUIDELINE, by=None, now=now)
            version = guidelines.current(session, project)
            assert version is not None
            for person in map(session.merge, people):
                guidelines.confirm_reading(session, version, person, now=START)
                _work(session, project, person, week, START + timedelta(weeks=week), each, rng)


def work_after(database: Database, *, comparisons: int, seed: int = 6) -> None:
    """More comparisons, and one more week of PEOPLE's work on them from the moment on at which the
    newest guideline was published."""
    rng = np.random.default_rng(seed)
    with database.writing() as session:
        project = projects.by_slug(session, SLUG)
        version = guidelines.current(session, project)
        assert version is not None
        now = version.published_at
    # The numbers go on far from those of the first ones, whose texts they must not repeat.
    numbers = range(10_001, 10_001 + comparisons)
    records = [Record(line=i, value=_record(i, rng)) for i in numbers]
    assert not import_records(database, SLUG, records, now=now).rejected
    each = -(-3 * comparisons // len(PEOPLE))
    with database.writing() as session:
        project = projects.by_slug(session, SLUG)
        people = session.scalars(select(Annotator).where(Annotator.name.in_(PEOPLE)))
        for person in sorted(people, key=lambda person: person.name):
            guidelines.confirm_reading(session, version, person, now=now)
            _work(session, project, person, WEEKS, now, each, rng)


def _record(number: int, rng: Generator) -> dict[str, object]:
    places = rng.permutation(len(SOURCES))[:2].tolist()
    # Better ones say more; the number makes each text its own.
    texts = [
        f"Reply {number}: " + "this is what we will do next, and by when. " * (2 + 2 * (3 - place))
        for place in places
    ]
    completions = [
        {"text": text.strip(), "source": SOURCES[place]}
        for text, place in zip(texts, places, strict=True)
    ]
    topic = TOPICS[number % len(TOPICS)]
    record: dict[str, object] = {
        "prompt": f"Case {number}: a customer writes about {topic}. Reply to them.",
        "completions": completions,
        "tags": ["complaint"] if number % 3 else ["question", "short"],
    }
    return record | ({"gold": 1 + places.index(min(places))} if number % 8 == 0 else {})


def _join(session: Session, project: Project, name: str) -> Annotator:
    person = accounts.create_person(
        session, name=name, password=None, role=Role.ANNOTATOR, now=START
    )
    projects.add_member(session, project, person, now=START)
    return person


def _work(
    session: Session,
    project: Project,
    person: Annotator,
    week: int,
    start: datetime,
    most: int,
    rng: Generator,
) -> None:
    for number in range(most):
        minutes = float(60 * 24 * (number % 5) + 7 * number)
        now = start + timedelta(minutes=minutes)
        view = assignments.lease_next(session, project, person, lease_seconds=600, now=now)
        if view is None:
            return
        judgments.submit(session, person, view.id, _verdict(person, view, week, rng), now=now)


def _verdict(person: Annotator, view: AssignmentView, week: int, rng: Generator) -> Submission:
    """The longer reply is the better one."""
    lengths = [len(side.text) for side in view.sides]
    right = "A" if lengths[0] > lengths[1] else "B"
    sees = PEOPLE[person.name] - (0.2 if week < UNCLEAR_UNTIL and person.name != "guess" else 0)
    wrong = "B" if right == "A" else "A"
    verdict = right if rng.random() < sees else wrong
    words = sum(len(side.text.split()) for side in view.sides)
    seconds = words / 4 * float(np.exp(rng.normal(0, 0.3)))
    if person.name == "guess":
        verdict, seconds = rng.choice(list(GUESSES), p=list(GUESSES.values())).item(), 2.0
    elif rng.random() < 0.08:
        verdict = "tie"
    difference = abs(lengths[0] - lengths[1])
    return Submission(
        verdict=verdict,
        strength=None if verdict in ("tie", "both_bad") else 1 + min(2, difference // 80),
        idempotency_key=f"{person.name}-{view.id}",
        active_ms=int(1000 * seconds),
        reason_codes=["clear"] if rng.random() < 0.3 else [],
        rationale=WHY[verdict == right if verdict in "AB" else None] if seconds > 25 else None,
    )
