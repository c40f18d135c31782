"""How often something may be tried, counted in the database: every worker process counts together,
and a restart forgets nothing.

Counts are of fixed windows of time. Names and addresses are stored as hashes, for minutes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import TooManyRequests
from app.models.accounts import Attempts

WINDOW_SECONDS = 300


@dataclass(frozen=True)
class Limit:
    """At most this many tries in a window."""

    kind: str
    tries: int

    def bucket(self, what: str) -> str:
        return f"{self.kind} {hashlib.sha256(what.encode()).hexdigest()}"


SIGN_INS_PER_NAME = Limit("sign-in name", 10)
SIGN_INS_PER_ADDRESS = Limit("sign-in address", 50)


def count_sign_in(database: Database, name: str, address: str, *, now: datetime) -> None:
    """Count a try to sign in, whatever comes of it. Raises TooManyRequests where this name or this
    address has used up its tries."""
    # Signing in ignores space around a name, so spaces must not give more tries.
    tries = [(SIGN_INS_PER_ADDRESS, network_of(address)), (SIGN_INS_PER_NAME, name.strip())]
    with database.writing() as session:
        _forget_old(session, now=now)
        allowed = [_count(session, limit, what, now=now) for limit, what in tries]
    if not all(allowed):
        raise TooManyRequests(
            "Too many attempts to sign in with this name or from this address; "
            "wait five minutes and try again.",
            retry_after_seconds=_seconds_left(now),
        )


def forget_name(database: Database, name: str) -> None:
    """After a successful sign-in the name starts afresh."""
    bucket = SIGN_INS_PER_NAME.bucket(name.strip())
    with database.writing() as session:
        session.execute(delete(Attempts).where(Attempts.bucket == bucket))


def _count(session: Session, limit: Limit, what: str, *, now: datetime) -> bool:
    """Whether this try is within the limit."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    counted: int | None = session.scalar(
        dialect.insert(Attempts)
        .values(bucket=limit.bucket(what), window=_window(now), count=1)
        .on_conflict_do_update(
            index_elements=[Attempts.bucket, Attempts.window],
            set_={Attempts.count: Attempts.count + 1},
        )
        .returning(Attempts.count)
    )
    assert counted is not None, "an upsert returns its row"
    return counted <= limit.tries


def _forget_old(session: Session, *, now: datetime) -> None:
    # Rows that somebody else is removing at this moment are left to them.
    old = (
        select(Attempts.bucket, Attempts.window)
        .where(Attempts.window < _window(now))
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(Attempts).where(tuple_(Attempts.bucket, Attempts.window).in_(old)))


def _window(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_SECONDS


def _seconds_left(now: datetime) -> int:
    return WINDOW_SECONDS - int(now.timestamp()) % WINDOW_SECONDS


def network_of(address: str) -> str:
    """The address, or for IPv6 the network of it that one customer gets as a whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address
