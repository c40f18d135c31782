"""A project for the load tests: comparisons of two and of three, gold, repeats, and people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from helpers.data import import_plain, project_id_of

from app import migrate
from app.db import Database
from app.models.accounts import Membership, Role
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
    share = SHARE if plants else 0.0
    policy = QueuePolicy(
        overlap=overlap, gold_share=share, repeat_share=share, repeat_after_hours=0
    )
    records = [_record(i) for i in range(comparisons)]
    for record in records[9::10] if plants else []:
        record["gold"] = "tie"
    return fill_site(url, records, policy, people=people)


def fill_site(
    url: str,
    records: Sequence[dict[str, object]],
    policy: QueuePolicy,
    *,
    people: int,
    groups: Callable[[int], list[str]] = lambda number: [],
) -> list[Invited]:
    """Records in a project with this policy, always with the same ids; `groups` are each one's."""
    database, now = Database(url), datetime.now(UTC)
    migrate.upgrade(database)
    with database.writing() as session:
        project = projects.create(
            session, slug=SLUG, overlap=policy.overlap, project_id=project_id_of(SLUG), now=now
        )
        projects.set_policy(session, project, policy)
    summary = import_plain(database, list(records), slug=SLUG)
    assert not summary.rejected, summary.rejected
    invited = [_invite(database, i, groups(i), now) for i in range(people)]
    database.dispose()
    return invited


def _record(number: int) -> dict[str, object]:
    """Every tenth comparison has three completions."""
    texts = [f"answer {number} {name}" for name in ("one", "two", "three")]
    return {
        "prompt": f"Question {number}: which <answer> & why?",
        "completions": texts if number % 10 == 0 else texts[:2],
    }


def _invite(
    database: Database, number: int, groups: list[str], now: datetime, links: int = 12
) -> Invited:
    with database.writing() as session:
        person = accounts.create_person(
            session, name=f"person {number}", password=None, role=Role.ANNOTATOR, now=now
        )
        project = projects.by_slug(session, SLUG)
        projects.add_member(session, project, person, now=now)
        session.get_one(Membership, (project.id, person.id)).groups = groups
        made = now + LINKS_MADE
        found = [accounts.create_sign_in_link(session, person, now=made) for _ in range(links)]
        token = tokens.create(
            session, person, scopes=["annotate"], days=2, label="load", by=person, now=now
        ).text
    return Invited(person.id.hex, found, token)
