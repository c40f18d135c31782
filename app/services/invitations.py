"""Links that let one person in once: an invitation to a project, or a sign-in link.

The token is shown once, when the link is made; only its hash is stored. An invitation is worth what
its maker is: it lets nobody in once its maker may invite no longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from app.access import reaches
from app.errors import Conflict, Forbidden, NotFound
from app.models.accounts import Annotator, Invitation, Role
from app.models.projects import Project
from app.services import accounts, audit, memberships
from app.services.audit import Action
from app.services.credentials import hash_token, new_token

INVITATION_LASTS = timedelta(days=7)
MAY_INVITE = Role.ADMIN
"""Who has this role may make an invitation, whatever role it gives, and keep it open."""


@dataclass(frozen=True)
class OpenInvitation:
    """What the person who follows the link is told. `person` is set on a sign-in link."""

    role: Role
    project_name: str | None
    person: str | None
    expires_at: datetime


@dataclass(frozen=True)
class InvitationRow:
    """An invitation that nobody has accepted yet, as admins see it."""

    id: str
    """Names it in lists: the hash of its token, which lets nobody in."""
    role: Role
    project_name: str | None
    invited_by: str | None
    """None for the command line."""
    created_at: datetime
    expires_at: datetime


def create(
    session: Session, *, role: Role, project: Project | None, by: Annotator | None, now: datetime
) -> str:
    """The token of a new invitation (`/invitations/<token>`)."""
    token = new_token()
    session.add(
        Invitation(
            token_hash=hash_token(token),
            role=role,
            project_id=None if project is None else project.id,
            invited_by=None if by is None else by.id,
            created_at=now,
            expires_at=now + INVITATION_LASTS,
        )
    )
    session.flush()
    audit.record(
        session,
        by=by,
        action=Action.INVITATION_MADE,
        subject=f"project {project.slug}" if project else "no project",
        details={"role": role},
        now=now,
    )
    return token


def find(session: Session, token: str, *, now: datetime) -> OpenInvitation:
    """The invitation behind a link. NotFound says whether it is unknown, used or too old."""
    invitation = _usable(session, token, now=now)
    project = session.get(Project, invitation.project_id) if invitation.project_id else None
    person = session.get(Annotator, invitation.annotator_id) if invitation.annotator_id else None
    return OpenInvitation(
        role=Role(invitation.role),
        project_name=None if project is None else project.name,
        person=None if person is None else person.name,
        expires_at=invitation.expires_at,
    )


def accept(session: Session, token: str, *, name: str, password: str, now: datetime) -> Annotator:
    """Use up the invitation: a new person with this name and password joins the project."""
    invitation = _usable(session, token, now=now)
    if invitation.annotator_id is not None:
        raise Conflict("This link signs in an existing person; it does not create one.")
    annotator = accounts.create_person(
        session,
        name=name,
        password=password,
        role=Role(invitation.role),
        by=session.get(Annotator, invitation.invited_by) if invitation.invited_by else None,
        now=now,
    )
    project = session.get(Project, invitation.project_id) if invitation.project_id else None
    if project is not None:
        memberships.add(session, project, annotator, by=annotator, now=now)
    _use_up(session, invitation, annotator, now=now)
    audit.record(
        session,
        by=annotator,
        action=Action.INVITATION_USED,
        subject=f"project {project.slug}" if project else "no project",
        details={"role": invitation.role},
        now=now,
    )
    return annotator


def list_open(session: Session, *, now: datetime) -> list[InvitationRow]:
    """The invitations that somebody could accept now, newest first."""
    found = session.execute(
        select(Invitation, Project.name, Annotator)
        .outerjoin(Project, Project.id == Invitation.project_id)
        .outerjoin(Annotator, Annotator.id == Invitation.invited_by)
        .where(
            Invitation.annotator_id.is_(None),
            Invitation.used_at.is_(None),
            Invitation.expires_at > now,
        )
        .order_by(Invitation.created_at.desc(), Invitation.token_hash)
    )
    return [
        InvitationRow(
            id=invitation.token_hash,
            role=Role(invitation.role),
            project_name=project_name,
            invited_by=None if maker is None else maker.name,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )
        for invitation, project_name, maker in found
        if maker is None or _may_invite(maker)
    ]


def revoke(session: Session, invitation_id: str, *, by: Annotator, now: datetime) -> None:
    """End an open invitation. Raises NotFound for one that was used or ended already."""
    ended = _end(session, Invitation.token_hash == invitation_id, Invitation.annotator_id.is_(None))
    if not ended:
        raise NotFound("This invitation was used or has ended already; reload the page.")
    _write_down_end(session, "an open invitation", ended, by=by, now=now)


def end_those_made_by(
    session: Session, maker: Annotator, *, by: Annotator | None, now: datetime
) -> None:
    """End every open invitation of somebody who may invite no longer."""
    ended = _end(session, Invitation.invited_by == maker.id)
    if ended:
        _write_down_end(session, audit.person(maker), ended, by=by, now=now)


def _end(session: Session, *conditions: ColumnElement[bool]) -> int:
    """How many there were. Of one that is being accepted at this moment only one outcome holds:
    whoever comes second finds its row used or gone."""
    removed = session.execute(delete(Invitation).where(Invitation.used_at.is_(None), *conditions))
    assert isinstance(removed, CursorResult)
    return removed.rowcount


def _write_down_end(
    session: Session, subject: str, ended: int, *, by: Annotator | None, now: datetime
) -> None:
    audit.record(
        session,
        by=by,
        action=Action.INVITATION_REVOKED,
        subject=subject,
        details={"invitations": ended},
        now=now,
    )


def follow_sign_in_link(session: Session, token: str, *, now: datetime) -> Annotator:
    """Use up a sign-in link: whom it signs in."""
    invitation = _usable(session, token, now=now)
    if invitation.annotator_id is None:
        raise Conflict("This link is an invitation; choose a name and a password to accept it.")
    annotator = session.get_one(Annotator, invitation.annotator_id)
    if annotator.disabled_at is not None:
        raise Forbidden(f"{annotator.name} is disabled and cannot sign in; ask an admin.")
    _use_up(session, invitation, annotator, now=now)
    return annotator


def _usable(session: Session, token: str, *, now: datetime) -> Invitation:
    invitation = session.scalar(
        select(Invitation).where(Invitation.token_hash == hash_token(token))
    )
    if invitation is None:
        raise NotFound("This link is not known here; check that it was copied whole.")
    if invitation.used_at is not None:
        raise NotFound("This link has been used; sign in, or ask an admin for a new one.")
    if invitation.expires_at <= now:
        raise NotFound(
            f"This link expired on {invitation.expires_at:%Y-%m-%d %H:%M} UTC; "
            "ask an admin for a new one."
        )
    maker = session.get(Annotator, invitation.invited_by) if invitation.invited_by else None
    if maker is not None and not _may_invite(maker):
        raise NotFound(
            "This link has ended, because whoever made it may invite nobody any more; "
            "ask an admin for a new one."
        )
    return invitation


def _may_invite(maker: Annotator) -> bool:
    return maker.disabled_at is None and reaches(maker.role, MAY_INVITE)


def _use_up(
    session: Session, invitation: Invitation, annotator: Annotator, *, now: datetime
) -> None:
    """Only one of two simultaneous uses finds the row still unused."""
    used = session.execute(
        update(Invitation)
        .where(Invitation.token_hash == invitation.token_hash, Invitation.used_at.is_(None))
        .values(used_at=now, used_by=annotator.id)
    )
    assert isinstance(used, CursorResult)
    if used.rowcount != 1:
        raise NotFound("This link has been used; sign in, or ask an admin for a new one.")
