"""What admins do with people: find them, change their role, shut them out and let them in again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access import reaches
from app.errors import Conflict, NotFound
from app.models.accounts import Annotator, AnnotatorKind, Role
from app.services import accounts, audit, invitations
from app.services.audit import Action
from app.services.current import clamp_page

PER_PAGE = 50


@dataclass(frozen=True)
class PeoplePage:
    rows: list[Annotator]
    total: int
    page: int
    pages: int


def page_of(session: Session, *, name: str = "", page: int = 1) -> PeoplePage:
    """Everyone who may sign in, by name; imported and simulated annotators are not among them."""
    found = select(Annotator).where(Annotator.kind == AnnotatorKind.PERSON)
    if name:
        found = found.where(Annotator.name.icontains(name, autoescape=True))
    total = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    page, pages = clamp_page(page, total, PER_PAGE)
    rows = session.scalars(
        found.order_by(Annotator.name).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    )
    return PeoplePage(list(rows), total, page, pages)


def get(session: Session, person_id: UUID) -> Annotator:
    person = session.get(Annotator, person_id)
    if person is None or person.kind != AnnotatorKind.PERSON:
        raise NotFound(f"There is no person {person_id}; look for them in the list.")
    return person


def set_role(
    session: Session, person: Annotator, role: Role, *, by: Annotator, now: datetime
) -> None:
    """Give another role, which ends the person's sessions: the next one has the new role only.
    Invitations they made end with the right to make them."""
    admins = _lock(session, person)
    before = person.role
    if before == role:
        return
    _refuse_last_admin(admins, person)
    person.role = role
    accounts.end_sessions(session, person)
    audit.record(
        session,
        by=by,
        action=Action.ROLE_CHANGED,
        subject=audit.person(person),
        details={"from": before, "to": role},
        now=now,
    )
    if not reaches(role, invitations.MAY_INVITE):
        invitations.end_those_made_by(session, person, by=by, now=now)


def disable(
    session: Session, person: Annotator, *, by: Annotator | None = None, now: datetime
) -> None:
    """Keep the person's work, but let them in no longer, nor whom they invited and who has not come
    yet."""
    admins = _lock(session, person)
    if person.disabled_at is not None:
        return
    _refuse_last_admin(admins, person)
    person.disabled_at = now
    accounts.end_sessions(session, person)
    audit.record(
        session, by=by, action=Action.PERSON_DISABLED, subject=audit.person(person), now=now
    )
    invitations.end_those_made_by(session, person, by=by, now=now)


def enable(
    session: Session, person: Annotator, *, by: Annotator | None = None, now: datetime
) -> None:
    """Let a disabled person sign in again, with the password they had."""
    _lock(session, person)
    if person.disabled_at is None:
        return
    person.disabled_at = None
    audit.record(
        session, by=by, action=Action.PERSON_ENABLED, subject=audit.person(person), now=now
    )


def _lock(session: Session, person: Annotator) -> list[UUID]:
    """The admins who can sign in, locked in one order, so that two who demote each other take
    turns; then the person, locked as they are now."""
    admins = session.scalars(
        select(Annotator.id)
        .where(Annotator.role == Role.ADMIN, Annotator.disabled_at.is_(None))
        .order_by(Annotator.id)
        .with_for_update()
    ).all()
    session.refresh(person, with_for_update=True)
    return list(admins)


def _refuse_last_admin(admins: list[UUID], person: Annotator) -> None:
    if admins == [person.id]:
        raise Conflict(
            f"{person.name} is the last admin who can sign in; make somebody else admin first."
        )
