"""A project for the load tests: comparisons of two and of three, gold, repeats, and people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from helpers.data import import_plain
from sqlalchemy import select, update

from app import migrate
from app.db import Database
from app.models.accounts import Role
from app.models.projects import Comparison
from app.rules.queue_policy import QueuePolicy
from app.services import accounts, projects, tokens

SLUG = "load"
# Long runs sign in again hours after their links were made.
LINKS_MADE = timedelta(hours=12)
SHARE = 0.1
"""Of each annotator's work that is gold, and that is a repeat."""


@dataclass(frozen=True)
class Invited:
    """Somebody who will come: their id in hex, one-time sign-in links, and an API token."""

    annotator_id: str
    links: list[str]
    token: str | None


def make_load_site(
    url: str, *, comparisons: int, people: int, overlap: int = 3, plants: bool = True
) -> list[Invited]:
    """Migrate the database and fill it; the people who may come."""
    database, now = Database(url), datetime.now(UTC)
    migrate.upgrade(database)
    with database.writing() as session:
        projects.create(session, slug=SLUG, overlap=overlap, now=now)
    summary = import_plain(database, [_record(i) for i in range(comparisons)], slug=SLUG)
    assert not summary.rejected, summary.rejected
    if plants:
        _plant(database, overlap, gold=max(1, comparisons // 10))
    invited = [_invite(database, f"person {i}", now) for i in range(people)]
    database.dispose()
    return invited


def _record(number: int) -> dict[str, object]:
    """Every tenth comparison has three completions."""
    texts = [f"answer {number} {name}" for name in ("one", "two", "three")]
    return {
        "prompt": f"Question {number}: which <answer> & why?",
        "completions": texts if number % 10 == 0 else texts[:2],
    }


def _plant(database: Database, overlap: int, *, gold: int) -> None:
    policy = QueuePolicy(
        overlap=overlap, gold_share=SHARE, repeat_share=SHARE, repeat_after_hours=0
    )
    with database.writing() as session:
        chosen = session.scalars(
            select(Comparison.id).where(Comparison.size == 2).order_by(Comparison.id).limit(gold)
        ).all()
        known = {"kind": "gold", "gold_verdict": "tie", "target": 0, "open_slots": 0}
        session.execute(update(Comparison).where(Comparison.id.in_(chosen)).values(**known))
        projects.set_policy(session, projects.by_slug(session, SLUG), policy)


def _invite(database: Database, name: str, now: datetime, links: int = 12) -> Invited:
    with database.writing() as session:
        person = accounts.create_person(
            session, name=name, password=None, role=Role.ANNOTATOR, now=now
        )
        projects.add_member(session, projects.by_slug(session, SLUG), person, now=now)
        made = now + LINKS_MADE
        found = [accounts.create_sign_in_link(session, person, now=made) for _ in range(links)]
        token = tokens.create(
            session, person, scopes=["annotate"], days=2, label="load", by=person, now=now
        ).text
    return Invited(person.id.hex, found, token)
