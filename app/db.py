"""Engines, transactions, the declarative base: all that tells SQLite from PostgreSQL.

A transaction is `with database.writing() as session` or `with database.reading() as session`. A
writing transaction on SQLite starts with BEGIN IMMEDIATE behind one lock for all threads and
processes, so that writers queue instead of failing. Migrations are in `migrations/`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import (
    DateTime,
    Dialect,
    Executable,
    MetaData,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as TooManyConnections
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from app.errors import InvalidInput, StorageUnavailable
from app.patience import LOCK_TIMEOUT_MS, LockedElsewhere, is_impatient
from app.prepared import run_on
from app.writers_turn import WritersTurn

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

PING_AFTER_SECONDS = 1.0
LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code for a lock that was not had in time."""
TIMEOUT_SECONDS = 10


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


def utc_now() -> datetime:
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite has no zones, so it is stored as naive UTC there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value!r} cannot be stored; give it a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _watch_file(engine: Engine, path: str, may_create: Callable[[], bool]) -> None:
    """Answer with an error, instead of writing to a file that was moved away or to a new empty one.

    An open connection writes on to a file that was moved or deleted, and SQLite makes a missing
    file: both would acknowledge what nobody finds again.
    """

    def identity() -> tuple[int, int]:
        try:
            found = os.stat(path)
        except OSError as error:
            raise StorageUnavailable(
                f"The database file {path} is not there ({os.strerror(error.errno or 0)}). Put it "
                "back, or make a new one with `prefloop db upgrade`."
            ) from error
        return found.st_dev, found.st_ino

    @event.listens_for(engine, "do_connect")
    def look_first(*_: object) -> None:
        if not may_create():
            identity()

    @event.listens_for(engine, "connect")
    def remember(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = identity()

    @event.listens_for(engine, "checkout")
    def look_again(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info["file"] != identity():
            raise DisconnectionError("the database file was replaced")


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=wal",
            "synchronous=full",
            "busy_timeout=5000",
            "foreign_keys=on",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _postgresql_engine(url: URL, *settings: str, **options: Any) -> Engine:
    """A database that is gone, and says nothing, is waited for as long as TIMEOUT_SECONDS."""
    engine = create_engine(
        url,
        max_overflow=5,
        connect_args={
            "options": " ".join(f"-c {setting}" for setting in ("timezone=UTC", *settings)),
            "connect_timeout": TIMEOUT_SECONDS,
            "tcp_user_timeout": 1000 * TIMEOUT_SECONDS,
            # Whoever prepares statements on it is `app/pipeline.py`.
            "prepare_threshold": None,
        },
        **options,
    )
    _ping_after_a_pause(engine)
    return engine


def _ping_after_a_pause(engine: Engine) -> None:
    """Replace a connection that the server closed meanwhile. To ask before every transaction would
    cost as much as a statement does."""
    broken = engine.dialect.loaded_dbapi.Error

    @event.listens_for(engine, "checkin")
    def remember(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", math.inf) < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except broken as error:
            raise DisconnectionError("the server closed the connection") from error


class Database:
    """One engine and its transactions."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        path = _file_of(self.url) if self.is_sqlite else None
        self._may_create = False
        # Pools of their own: the event loop never waits for a connection that pages hold.
        if self.is_sqlite:
            self.engine = create_engine(self.url)
            _configure_sqlite(self.engine)
            self._writing_engine: Engine = self.engine.execution_options(writing=True)
            self._impatient_engine: Engine = self._writing_engine
            self._looking_up_engine = create_engine(self.url, pool_size=1)
            _configure_sqlite(self._looking_up_engine)
        else:
            self.engine = _postgresql_engine(self.url)
            # What runs with every judgment is planned once.
            self._writing_engine = _postgresql_engine(
                self.url, "plan_cache_mode=force_generic_plan"
            )
            self._impatient_engine = _postgresql_engine(
                self.url,
                "plan_cache_mode=force_generic_plan",
                f"lock_timeout={LOCK_TIMEOUT_MS}ms",
                pool_size=1,
            )
            self._looking_up_engine = _postgresql_engine(
                self.url, "statement_timeout=5s", isolation_level="AUTOCOMMIT", pool_size=1
            )
        if path is not None:
            _watch_file(self.engine, path, lambda: self._may_create)
            _watch_file(self._looking_up_engine, path, lambda: False)
        self.turn = WritersTurn(path) if self.is_sqlite else None
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block and rolls back on any error. Raises
        LockedElsewhere where nothing may wait (`app/patience.py`)."""
        engine = self._impatient_engine if is_impatient() else self._writing_engine
        with (
            self.turn or nullcontext(),
            self._guard(),
            self._sessions(bind=engine) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that is never committed and sees one state of the database throughout."""
        with self._guard(), self._sessions() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    def look_up(self, statement: Executable, **values: Any) -> Any:
        """The only row of a statement that was built once, or None: for what every request asks
        before anything else, without a transaction around it. It takes less time than a thread
        takes to wake, so it may be called where nothing may wait."""
        with self._guard(), self._looking_up_engine.connect() as connection:
            return run_on(connection, statement, values).one_or_none()

    @contextmanager
    def connecting(self, *, create: bool = False) -> Iterator[Connection]:
        """A bare connection in a transaction, for migrations; `create` makes an SQLite file that
        is not there."""
        self._may_create = create
        try:
            with self.turn or nullcontext(), self._guard(), self.engine.begin() as connection:
                yield connection
        finally:
            self._may_create = False

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if is_impatient() and getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise LockedElsewhere from error
            raise StorageUnavailable(_storage_sentence(error)) from error
        except TooManyConnections as error:
            raise StorageUnavailable(
                "All connections to the database are in use. Nothing was stored; try again."
            ) from error
        except DataError as error:
            raise InvalidInput(
                f"What was sent holds something that the database cannot hold ({_found(error)}). "
                "Nothing was stored."
            ) from error
        except IntegrityError as error:
            raise StorageUnavailable(
                f"Something else changed the same data at this moment ({_found(error)}). "
                "Nothing was stored; try again."
            ) from error
        except InternalError as error:
            # PostgreSQL says so of a transaction that may only read, on a standby for example.
            raise StorageUnavailable(_storage_sentence(error)) from error
        except DatabaseError as error:
            # The exact class is what SQLite raises for a file that is no database.
            if type(error) is not DatabaseError:
                raise
            raise StorageUnavailable(_storage_sentence(error)) from error

    @property
    def engines(self) -> set[Engine]:
        """Those with connections of their own."""
        own = {self.engine, self._looking_up_engine}
        return own if self.is_sqlite else own | {self._writing_engine, self._impatient_engine}

    def dispose(self) -> None:
        for engine in self.engines:
            engine.dispose()


def _parse(url: str) -> URL:
    """The checked address. It is never repeated in a message: it may hold a password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "The database address in PREFLOOP_DATABASE_URL cannot be read; expected "
            "sqlite:///file.db or postgresql+psycopg://user:password@host/name."
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidInput(
            f"The database address in PREFLOOP_DATABASE_URL names {parsed.get_backend_name()}; "
            "expected sqlite or postgresql."
        )
    return parsed


def _file_of(url: URL) -> str | None:
    """The path of an SQLite file, which may be given as `file:PATH`; None in memory."""
    path = url.database or ""
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return None if path in ("", ":memory:") else path


def _found(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig else "no answer"


def _storage_sentence(error: DBAPIError) -> str:
    found = _found(error)
    if "no such table" in found:
        return f"The database has no tables yet ({found}). Run `prefloop db upgrade`."
    return f"The database could not be used: {found}. Nothing was stored; try again."
