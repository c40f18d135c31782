"""People and their sessions: who exists, who may sign in, who is signed in.

There is no default account and no open sign-up: a person comes from the command line or from an
invitation (`services/invitations.py`). Left out: changing one's own password, single sign-on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import Conflict, InvalidInput, NotFound, SignInRequired
from app.models.accounts import Annotator, AnnotatorKind, Invitation, Role, SignInSession
from app.services.credentials import hash_password, hash_token, new_token, password_matches

SIGN_IN_LINK_LASTS = timedelta(hours=1)
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class SignedIn:
    """A valid session: whose it is, and the token that its forms must carry."""

    annotator: Annotator
    csrf_token: str


def create_person(
    session: Session, *, name: str, password: str | None, role: Role, now: datetime
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


def reset_password(session: Session, name: str, password: str) -> Annotator:
    """Set a new password and end every session of this person."""
    person = find_person(session, name)
    person.password_hash = hash_password(password)
    end_sessions(session, person)
    return person


def disable(session: Session, name: str, *, now: datetime) -> Annotator:
    """Keep the person's work, but let them in no longer."""
    person = find_person(session, name)
    person.disabled_at = person.disabled_at or now
    end_sessions(session, person)
    return person


def end_sessions(session: Session, annotator: Annotator) -> None:
    session.execute(delete(SignInSession).where(SignInSession.annotator_id == annotator.id))


def create_sign_in_link(session: Session, annotator: Annotator, *, now: datetime) -> str:
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
    if not password_matches(person.password_hash if person else None, password):
        raise SignInRequired("Name or password is wrong.")
    assert person is not None, "only an existing account has a password"
    with database.writing() as session:
        current = session.get_one(Annotator, person.id)
        if current.disabled_at is not None or current.password_hash != person.password_hash:
            raise SignInRequired("Name or password is wrong.")
        return start_session(session, current, session_hours=session_hours, now=now)


def start_session(
    session: Session, annotator: Annotator, *, session_hours: int, now: datetime
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
    return token


def find_session(session: Session, token: str, *, now: datetime) -> SignedIn | None:
    """Who is signed in with this token; None where it is unknown, ended, or its owner disabled."""
    row = session.execute(
        select(SignInSession, Annotator)
        .join(Annotator, Annotator.id == SignInSession.annotator_id)
        .where(
            SignInSession.token_hash == hash_token(token),
            SignInSession.expires_at > now,
            Annotator.disabled_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else SignedIn(row[1], row[0].csrf_token)


def sign_out(session: Session, token: str) -> None:
    session.execute(delete(SignInSession).where(SignInSession.token_hash == hash_token(token)))
