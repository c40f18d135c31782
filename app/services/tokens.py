"""API tokens: who made which, what each may be used for, and whose request this is.

Only a hash of a token is stored. What it may do is bounded by its scopes, by the memberships of its
owner as they are now, and by the lower of two roles: its owner's now, and the one that its owner
had when it was made. So a promotion never widens a token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session, make_transient_to_detached

from app.access import lower, reaches
from app.db import Database
from app.errors import Conflict, InvalidInput, NotFound, SignInRequired
from app.models.accounts import Annotator, ApiToken, Role
from app.services import audit
from app.services.audit import Action
from app.services.credentials import hash_token, new_token

PREFIX = "prefloop_"
"""Begins every token, so that a person and a scanner for leaked secrets can tell what it is."""
LONGEST_LABEL = 200
LONGEST_DAYS = 366
MOST_TOKENS = 100
"""Live tokens of one person; more are a script that forgets to revoke its own."""
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a token may be used for. Each route of the API names one."""

    ANNOTATE = "annotate"
    READ = "read"
    IMPORT = "import"
    EXPORT = "export"


SCOPES: dict[Scope, tuple[Role, str]] = {
    Scope.ANNOTATE: (Role.ANNOTATOR, "take comparisons, judge, skip and flag them"),
    Scope.READ: (Role.ANNOTATOR, "see your projects; as a reviewer, how far annotators agree"),
    Scope.IMPORT: (Role.ADMIN, "add prompts, completions, demonstrations and judgments"),
    Scope.EXPORT: (Role.ADMIN, "read the preference rows"),
}
"""The role that a scope is of use to, and what it allows."""


@dataclass(frozen=True)
class NewToken:
    """A token that was just made: the only time that its text is known."""

    text: str
    row: ApiToken


@dataclass(frozen=True)
class Bearer:
    """A valid token's owner and scopes."""

    annotator: Annotator
    """The owner, with the role in which this token acts: never a higher one than it was made in."""
    token_id: UUID
    scopes: frozenset[str]
    last_used_at: datetime | None

    def used_long_ago(self, now: datetime) -> bool:
        """Whether this use is to be written down."""
        return self.last_used_at is None or self.last_used_at <= now - USE_IS_NOTED_EVERY


def create(
    session: Session,
    owner: Annotator,
    *,
    scopes: Collection[str],
    days: int,
    label: str,
    by: Annotator | None,
    now: datetime,
) -> NewToken:
    """A token that ends after `days`. Raises InvalidInput for a scope beyond the owner's role.

    `by` is who makes it: the owner, or None for the command line.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"The token would last {days} days; choose 1 to {LONGEST_DAYS}.")
    label = label.strip()
    if not 1 <= len(label) <= LONGEST_LABEL:
        raise InvalidInput(
            f"The label has {len(label)} characters; write 1 to {LONGEST_LABEL} that say what the "
            "token is for."
        )
    live = select(func.count()).where(
        ApiToken.annotator_id == owner.id,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > now,
    )
    if (session.scalar(live) or 0) >= MOST_TOKENS:
        raise Conflict(f"{owner.name} has {MOST_TOKENS} live tokens already; revoke some first.")
    text = PREFIX + new_token()
    row = ApiToken(
        token_hash=hash_token(text),
        annotator_id=owner.id,
        label=label,
        scopes=_checked(scopes, owner),
        role=owner.role,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    details = {"scopes": row.scopes, "days": days}
    _write_down(session, Action.TOKEN_MADE, row, owner, details, by=by, now=now)
    return NewToken(text, row)


def _checked(scopes: Collection[str], owner: Annotator) -> list[str]:
    if not scopes:
        raise InvalidInput(f"The token has no scope; choose from {', '.join(Scope)}.")
    for scope in scopes:
        if scope not in list(Scope):
            raise InvalidInput(f"Scope {scope!r} is unknown; choose from {', '.join(Scope)}.")
        needed, _ = SCOPES[Scope(scope)]
        if not reaches(owner.role, needed):
            raise InvalidInput(
                f"The scope {scope} needs the role {needed}; {owner.name} is {owner.role}."
            )
    return [scope for scope in Scope if scope in scopes]


def list_for(session: Session, owner: Annotator) -> list[ApiToken]:
    """The owner's tokens, newest first; revoked and expired ones too."""
    return list(
        session.scalars(
            select(ApiToken)
            .where(ApiToken.annotator_id == owner.id)
            .order_by(ApiToken.created_at.desc(), ApiToken.id)
        )
    )


def list_all(session: Session) -> list[tuple[ApiToken, str]]:
    """Every token with its owner's name, newest first. For the command line."""
    rows = session.execute(
        select(ApiToken, Annotator.name)
        .join(Annotator, Annotator.id == ApiToken.annotator_id)
        .order_by(ApiToken.created_at.desc(), ApiToken.id)
    )
    return [(token, name) for token, name in rows]


def revoke(session: Session, token_id: UUID, *, by: Annotator | None, now: datetime) -> ApiToken:
    """End a token at once; repeating it changes nothing. `by` is its owner, or None for the command
    line, which may revoke anybody's."""
    token = session.scalar(select(ApiToken).where(ApiToken.id == token_id).with_for_update())
    if token is None or (by is not None and token.annotator_id != by.id):
        whose = " of yours" if by else ""
        raise NotFound(f"There is no token {token_id}{whose}; the list shows the id of each.")
    if token.revoked_at is None:
        token.revoked_at = now
        session.flush()
        owner = session.get_one(Annotator, token.annotator_id)
        _write_down(session, Action.TOKEN_REVOKED, token, owner, {}, by=by, now=now)
    return token


def _write_down(
    session: Session,
    action: Action,
    token: ApiToken,
    owner: Annotator,
    details: Mapping[str, Any],
    *,
    by: Annotator | None,
    now: datetime,
) -> None:
    audit.record(
        session,
        by=by,
        action=action,
        subject=audit.person(owner),
        details={"token": str(token.id), **details},
        now=now,
    )


def state(token: ApiToken, *, now: datetime) -> str:
    """`live`, `revoked` or `expired`."""
    if token.revoked_at is not None:
        return "revoked"
    return "live" if token.expires_at > now else "expired"


_OWNER = tuple(Annotator.__table__.c)
# Every request of the API asks this, and building a statement costs more than running it.
_LIVE_TOKEN = (
    select(
        ApiToken.id.label("token_id"),
        ApiToken.scopes,
        ApiToken.role.label("made_as"),
        ApiToken.last_used_at,
        *_OWNER,
    )
    .join(Annotator, Annotator.id == ApiToken.annotator_id)
    .where(
        ApiToken.token_hash == bindparam("token_hash"),
        ApiToken.expires_at > bindparam("now", type_=ApiToken.expires_at.type),
        ApiToken.revoked_at.is_(None),
        Annotator.disabled_at.is_(None),
    )
)


def authenticate(database: Database, text: str, *, now: datetime) -> Bearer:
    """Whose token this is, by one query. Raises SignInRequired, whatever is wrong with it."""
    row = database.look_up(_LIVE_TOKEN, token_hash=hash_token(text), now=now)
    if row is None:
        raise SignInRequired(
            "This API token is unknown, expired or revoked, or its owner is disabled; make a new "
            "one on the page “API tokens” or with `prefloop token create`."
        )
    owner = {column.name: getattr(row, column.name) for column in _OWNER}
    annotator = Annotator(**{**owner, "role": lower(row.role, row.made_as)})
    make_transient_to_detached(annotator)
    return Bearer(annotator, row.token_id, frozenset(row.scopes), row.last_used_at)


def note_use(database: Database, bearer: Bearer, *, now: datetime) -> None:
    """Write down that the token was used. Done at most once a minute, so that a busy client costs
    no writes."""
    long_ago = now - USE_IS_NOTED_EVERY
    with database.writing() as session:
        session.execute(
            update(ApiToken)
            .where(
                ApiToken.id == bearer.token_id,
                ApiToken.last_used_at.is_(None) | (ApiToken.last_used_at <= long_ago),
            )
            .values(last_used_at=now)
        )
