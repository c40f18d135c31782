"""Short ways to make disagreements and to decide them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from helpers.data import NOON, import_plain, pair, project_of
from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator, Role
from app.models.adjudications import Adjudication
from app.models.projects import Comparison, Prompt
from app.services import accounts, adjudications
from app.services.adjudications import Decision

LATER = NOON + timedelta(days=1)


def add_reviewer(database: Database, name: str = "vera") -> Annotator:
    with database.writing() as session:
        return accounts.create_person(
            session, name=name, password=None, role=Role.REVIEWER, now=NOON
        )


def split_comparison(
    database: Database, number: int = 9, votes: tuple[Any, ...] = (1, 2), **extra: Any
) -> UUID:
    """The id of an imported comparison with these verdicts."""
    given = [{"annotator": f"w{i}", "verdict": v, **extra} for i, v in enumerate(votes)]
    import_plain(database, [pair(number, judgments=given)])
    with database.reading() as session:
        return find_comparison(session, number)


def find_comparison(session: Session, number: int) -> UUID:
    """The id of `pair(number)`."""
    asked = cast(Prompt.messages, Text).contains(f"Question {'x' * number}?")
    return session.scalars(select(Comparison.id).join(Prompt).where(asked)).one()


def decide(
    database: Database,
    reviewer: Annotator,
    comparison: UUID,
    outcome: str = "A",
    now: datetime = LATER,
    **fields: Any,
) -> Adjudication:
    with database.writing() as session:
        decision = Decision(outcome=outcome, **fields)
        return adjudications.adjudicate(
            session, project_of(session), reviewer, comparison, decision, now=now
        )


def numbers(page: Any) -> list[int]:
    """The numbers of the pairs that a page shows."""
    return [row.excerpt.count("x") for row in page.rows]
