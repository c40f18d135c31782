"""Accounts and their sessions: what lets a person in, and what puts them out again.

There is no default account and no open sign-up: a person comes from the command line or from an
invitation (`services/invitations.py`). What admins do with people is in `services/people.py`. Left
out: single sign-on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session, make_transient_to_detached

from app.db import Database
from app.errors import Conflict, InvalidInput, NotFound, SignInRequired
from app.models.accounts import Annotator, AnnotatorKind, Invitation, Role, SignInSession
from app.services import audit
from app.services.audit import Action
from app.services.credentials import hash_password, hash_token, new_token, password_matches

SIGN_IN_LINK_LASTS = timedelta(hours=1)
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class SignedIn:
    """A valid session: whose it is, and the token that its forms must carry."""

    annotator: Annotator
    csrf_token: str


@dataclass(frozen=True)
class SessionRow:
    """A session as its owner sees it."""

    created_at: datetime
    expires_at: datetime
    is_this_one: bool


def create_person(
    session: Session,
    *,
    name: str,
    password: str | None,
    role: Role,
    by: Annotator | None = None,
    now: datetime,
) -> Annotator:
    """A new person. Without a password only a sign-in link lets them in."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise InvalidInput(
            f"The name has {len(name)} characters; give one of 1 to {MAX_NAME_LENGTH}."
        )
    if session.scalar(select(Annotator.id).where(Annotator.name == name)) is not None:
        raise Conflict(f"The name {name} is taken; choose another.")
    annotator = Annotator(
        name=name,
        kind=AnnotatorKind.PERSON,
        role=role,
        password_hash=None if password is None else hash_password(password),
        created_at=now,
    )
    session.add(annotator)
    session.flush()
    audit.record(
        session,
        by=by,
        action=Action.PERSON_ADDED,
        subject=audit.person(annotator),
        details={"role": role},
        now=now,
    )
    return annotator


def find_person(session: Session, name: str) -> Annotator:
    person = session.scalar(
        select(Annotator).where(
            Annotator.name == name.strip(), Annotator.kind == AnnotatorKind.PERSON
        )
    )
    if person is None:
        raise NotFound(
            f"There is no person named {name.strip()!r}; `prefloop user list` shows all."
        )
    return person


def list_people(session: Session) -> list[Annotator]:
    """Everyone who may have a password, by name; imported and simulated annotators are not."""
    people = select(Annotator).where(Annotator.kind == AnnotatorKind.PERSON)
    return list(session.scalars(people.order_by(Annotator.name)))


def reset_password(session: Session, name: str, password: str, *, now: datetime) -> Annotator:
    """Set a new password and end every session of this person."""
    person = find_person(session, name)
    _set_password(session, person, hash_password(password), by=None, now=now)
    return person


def change_password(
    database: Database,
    annotator: Annotator,
    current: str,
    new: str,
    *,
    session_hours: int,
    now: datetime,
) -> str:
    """Replace one's own password, which ends all one's sessions; the token of a new one. Raises
    InvalidInput where the current one is wrong. Who never had one, coming in by a link, gives none.

    Like `sign_in`, this checks and hashes between two transactions.
    """
    with database.reading() as session:
        stored = session.get_one(Annotator, annotator.id).password_hash
    if stored is not None and not password_matches(stored, current):
        raise InvalidInput("The current password is wrong; nothing was changed.")
    new_hash = hash_password(new)
    with database.writing() as session:
        person = session.get_one(Annotator, annotator.id, with_for_update=True)
        if person.password_hash != stored:
            raise Conflict("Your password was changed elsewhere at this moment; sign in with it.")
        _set_password(session, person, new_hash, by=person, now=now)
        return start_session(
            session, person, session_hours=session_hours, through="new password", now=now
        )


def _set_password(
    session: Session, person: Annotator, new_hash: str, *, by: Annotator | None, now: datetime
) -> None:
    person.password_hash = new_hash
    end_sessions(session, person)
    audit.record(
        session, by=by, action=Action.PASSWORD_CHANGED, subject=audit.person(person), now=now
    )


def end_sessions(session: Session, annotator: Annotator) -> None:
    """End every session, and make the sign-in links useless that were not followed yet."""
    session.execute(delete(SignInSession).where(SignInSession.annotator_id == annotator.id))
    session.execute(
        delete(Invitation).where(
            Invitation.annotator_id == annotator.id, Invitation.used_at.is_(None)
        )
    )


def sign_out_everywhere(
    session: Session, person: Annotator, *, by: Annotator, now: datetime
) -> None:
    end_sessions(session, person)
    audit.record(
        session, by=by, action=Action.SIGNED_OUT_EVERYWHERE, subject=audit.person(person), now=now
    )


def create_sign_in_link(
    session: Session, annotator: Annotator, *, by: Annotator | None = None, now: datetime
) -> str:
    """The token of a link that signs this person in once (`/invitations/<token>`)."""
    token = new_token()
    session.add(
        Invitation(
            token_hash=hash_token(token),
            role=annotator.role,
            annotator_id=annotator.id,
            created_at=now,
            expires_at=now + SIGN_IN_LINK_LASTS,
        )
    )
    session.flush()
    audit.record(
        session, by=by, action=Action.SIGN_IN_LINK_MADE, subject=audit.person(annotator), now=now
    )
    return token


def sign_in(
    database: Database, name: str, password: str, *, session_hours: int, now: datetime
) -> str:
    """The token of a new session. Raises SignInRequired, whatever was wrong.

    The password is checked between two transactions, because argon2 is slow on purpose and
    writers would have to wait for it.
    """
    with database.reading() as session:
        person = session.scalar(select(Annotator).where(Annotator.name == name.strip()))
    checked_hash = person.password_hash if person else None
    matches = password_matches(checked_hash, password)
    with database.writing() as session:
        current = session.get_one(Annotator, person.id) if person and matches else None
        if (
            current is not None
            and current.disabled_at is None
            and current.password_hash == checked_hash
        ):
            return start_session(session, current, session_hours=session_hours, now=now)
        # Written for unknown names too, but without them: it takes as long, and people type
        # passwords into the wrong field.
        audit.record(
            session,
            by=None,
            action=Action.SIGN_IN_REFUSED,
            subject=audit.person(person) if person else "unknown person",
            now=now,
        )
    raise SignInRequired("Name or password is wrong.")


def start_session(
    session: Session,
    annotator: Annotator,
    *,
    session_hours: int,
    through: str = "password",
    now: datetime,
) -> str:
    """A session with a token never seen before; sessions that have ended are cleared away."""
    session.execute(delete(SignInSession).where(SignInSession.expires_at <= now))
    token = new_token()
    session.add(
        SignInSession(
            token_hash=hash_token(token),
            annotator_id=annotator.id,
            csrf_token=new_token(),
            created_at=now,
            expires_at=now + timedelta(hours=session_hours),
        )
    )
    session.flush()
    audit.record(
        session,
        by=annotator,
        action=Action.SIGNED_IN,
        subject=audit.person(annotator),
        details={"through": through},
        now=now,
    )
    return token


def list_sessions(
    session: Session, annotator: Annotator, *, this_token: str | None = None, now: datetime
) -> list[SessionRow]:
    """The sessions that have not ended, newest first."""
    found = session.scalars(
        select(SignInSession)
        .where(SignInSession.annotator_id == annotator.id, SignInSession.expires_at > now)
        .order_by(SignInSession.created_at.desc(), SignInSession.token_hash)
    )
    this_hash = hash_token(this_token) if this_token else None
    return [SessionRow(s.created_at, s.expires_at, s.token_hash == this_hash) for s in found]


_OWNER = tuple(Annotator.__table__.c)
# Every request of a page asks this, and building a statement costs more than running it.
_LIVE_SESSION = (
    select(SignInSession.csrf_token, *_OWNER)
    .join(Annotator, Annotator.id == SignInSession.annotator_id)
    .where(
        SignInSession.token_hash == bindparam("token_hash"),
        SignInSession.expires_at > bindparam("now", type_=SignInSession.expires_at.type),
        Annotator.disabled_at.is_(None),
    )
)


def find_session(database: Database, token: str, *, now: datetime) -> SignedIn | None:
    """Who is signed in with this token; None where it is unknown, ended, or its owner disabled."""
    row = database.look_up(_LIVE_SESSION, token_hash=hash_token(token), now=now)
    if row is None:
        return None
    annotator = Annotator(**{column.name: getattr(row, column.name) for column in _OWNER})
    make_transient_to_detached(annotator)
    return SignedIn(annotator, row.csrf_token)


def sign_out(session: Session, token: str) -> None:
    session.execute(delete(SignInSession).where(SignInSession.token_hash == hash_token(token)))
