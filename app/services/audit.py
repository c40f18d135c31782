"""The audit log: who did what, appended only, each entry hashed with the one before it.

Whoever changes, removes or reorders an entry breaks the chain at that place (`verify`), and
triggers of the database refuse it anyway. What a chain alone cannot show is that its newest entries
were cut off: note its last hash elsewhere, and `verify` says whether that one is still in it.

An entry holds no secret and no text that anybody judged. Where nobody is signed in, one of the
command line names the operating system's user.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from app import operators
from app.db import Database
from app.models.accounts import Annotator, AuditEntry
from app.services.current import clamp_page

FIRST_PREVIOUS_HASH = "0" * 64
PER_PAGE = 50
OPERATOR = "operating_system_user"
"""The detail that says who gave a command."""
READ_AGAIN_WITHIN = timedelta(hours=1)
"""Whoever reads the same once more within this time leaves no other entry."""
_LOCK = 7_264_019
"""Names the log among PostgreSQL's advisory locks."""


class Action(StrEnum):
    """What is written down."""

    SIGNED_IN = "signed in"
    SIGN_IN_REFUSED = "sign-in refused"
    SIGN_IN_LINK_MADE = "sign-in link made"
    SIGNED_OUT_EVERYWHERE = "signed out everywhere"
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    PERSON_ADDED = "person added"
    ROLE_CHANGED = "role changed"
    PERSON_DISABLED = "person disabled"
    PERSON_ENABLED = "person enabled"
    MEMBER_ADDED = "member added"
    MEMBER_REMOVED = "member removed"
    GROUPS_CHANGED = "groups changed"
    INVITATION_MADE = "invitation made"
    INVITATION_USED = "invitation used"
    INVITATION_REVOKED = "invitation revoked"
    TOKEN_MADE = "token made"  # noqa: S105
    TOKEN_REVOKED = "token revoked"  # noqa: S105
    PROJECT_CREATED = "project created"
    POLICY_CHANGED = "policy changed"
    PAY_CHANGED = "pay changed"
    GUIDELINE_PUBLISHED = "guideline published"
    IMPORT_STARTED = "import started"
    IMPORT_FINISHED = "import finished"
    EXPORT_STARTED = "export started"
    EXPORTED = "exported"
    JUDGMENTS_READ = "judgments read"
    BACKUP_STARTED = "backup started"
    RESTORED = "database restored"
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a walk along the whole chain found."""

    entries: int
    """Entries from the first on that hold together."""
    last_hash: str
    problem: str | None
    """What is wrong, and with which entry; None where all is well."""


@dataclass(frozen=True)
class EntryRow:
    entry: AuditEntry
    name: str | None
    """Who did it; None where nobody was signed in: the command line, or a failed sign-in."""

    @property
    def who(self) -> str | None:
        """The person, or the operating system's user behind a command; None for a stranger."""
        return self.name or self.entry.details.get(OPERATOR)


@dataclass(frozen=True)
class AuditPage:
    rows: list[EntryRow]
    total: int
    page: int
    pages: int


def record(
    session: Session,
    *,
    by: Annotator | None,
    action: Action,
    subject: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write down what this transaction does; the entry is stored with it, or with it is not.

    Entries are chained when the transaction commits, after it has taken every other lock: appending
    holds up other writers no longer than a commit takes, and none wait for each other in a ring.
    """
    said = dict(details or {})
    if by is None and (operator := operators.current()) is not None:
        said[OPERATOR] = operator
    waiting = session.info.setdefault("audit_entries", [])
    if not waiting:
        event.listen(session, "before_commit", _append, once=True)
    waiting.append(
        AuditEntry(
            happened_at=now,
            annotator_id=None if by is None else by.id,
            action=action,
            subject=subject,
            details=json.loads(json.dumps(said)),
        )
    )


def record_reading(
    database: Database, reader: Annotator, slug: str, details: Mapping[str, Any], *, now: datetime
) -> None:
    """Write down that somebody sees what others judged, before they see it. Reading the same again
    soon adds nothing, so that turning pages does not bury the rest of the log."""
    subject = f"project {slug}"
    recent = select(AuditEntry.details).where(
        AuditEntry.happened_at > now - READ_AGAIN_WITHIN,
        AuditEntry.annotator_id == reader.id,
        AuditEntry.action == Action.JUDGMENTS_READ,
        AuditEntry.subject == subject,
    )
    with database.reading() as session:
        if dict(details) in session.scalars(recent).all():
            return
    with database.writing() as session:
        record(
            session,
            by=reader,
            action=Action.JUDGMENTS_READ,
            subject=subject,
            details=details,
            now=now,
        )


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 of what the entry says and of the hash before it, as JSON with sorted keys."""
    said = [
        entry.previous_hash,
        entry.happened_at.astimezone(UTC).isoformat(timespec="microseconds"),
        None if entry.annotator_id is None else str(entry.annotator_id),
        entry.action,
        entry.subject,
        entry.details,
    ]
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _append(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        # SQLite has one writer at a time; here the lock makes a line of those who append.
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    previous_hash = last_hash(session)
    for entry in session.info.pop("audit_entries"):
        entry.previous_hash = previous_hash
        entry.hash = previous_hash = entry_hash(entry)
        session.add(entry)
        # One by one, so that their numbers follow the chain.
        session.flush()


def last_hash(session: Session) -> str:
    """Of the newest entry; FIRST_PREVIOUS_HASH where there is none."""
    newest = select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)
    return session.scalar(newest) or FIRST_PREVIOUS_HASH


def verify(session: Session, *, expect: str | None = None) -> Verified:
    """Walk the chain from its beginning. `expect` is a hash that stood at its end once."""
    entries, last = 0, FIRST_PREVIOUS_HASH
    seen = expect is None or expect == FIRST_PREVIOUS_HASH
    chain = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=1000)
    for entry in session.scalars(chain):
        problem = None
        if entry.previous_hash != last:
            problem = "does not follow the one before it: entries are missing or were moved"
        elif entry.hash != entry_hash(entry):
            problem = "was changed: its hash does not belong to what it says"
        if problem is not None:
            return Verified(
                entries=entries, last_hash=last, problem=f"Audit entry {entry.id} {problem}."
            )
        entries, last = entries + 1, entry.hash
        seen = seen or entry.hash == expect
    problem = None
    if not seen:
        problem = (
            f"No audit entry has the hash {expect}: the log was cut off before it or written anew."
        )
    return Verified(entries=entries, last_hash=last, problem=problem)


def page_of(
    session: Session, *, action: Action | None = None, name: str = "", page: int = 1
) -> AuditPage:
    """Entries, newest first; `name` finds what a person did and what was done to them."""
    conditions = []
    if action is not None:
        conditions.append(AuditEntry.action == action)
    if name:
        conditions.append(
            Annotator.name.icontains(name, autoescape=True)
            | AuditEntry.subject.icontains(name, autoescape=True)
        )
    base = (
        select(AuditEntry, Annotator.name)
        .outerjoin(Annotator, Annotator.id == AuditEntry.annotator_id)
        .where(*conditions)
    )
    total = session.scalar(select(func.count()).select_from(base.subquery())) or 0
    page, pages = clamp_page(page, total, PER_PAGE)
    found = session.execute(
        base.order_by(AuditEntry.id.desc()).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    )
    return AuditPage([EntryRow(entry, who) for entry, who in found], total, page, pages)


def person(annotator: Annotator) -> str:
    """How entries name a person."""
    return f"person {annotator.name}"
