"""Backups of the whole database into one file, and back, while the server may be running.

SQLite files are copied by SQLite's own backup, PostgreSQL's by pg_dump and psql. Exported bundles
and runs lie in folders of their own and are not part of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, inspect, select

from app import migrate, revisions
from app.db import Database
from app.errors import Conflict, InvalidInput
from app.models.judgments import Judgment
from app.models.projects import Comparison, Project
from app.services import audit, backup_postgres, backup_sqlite
from app.services.audit import Action
from app.services.backup_postgres import PostgresPrograms

MAGIC = {b"SQLite format 3\0": "sqlite", b"PGDMP": "postgresql"}


@dataclass(frozen=True)
class Contents:
    """How much a database holds."""

    projects: int
    comparisons: int
    judgments: int

    def __str__(self) -> str:
        return (
            f"{self.projects:,} projects, {self.comparisons:,} comparisons, "
            f"{self.judgments:,} judgments"
        )


def contents(database: Database) -> Contents | None:
    """None for a database without tables."""
    if _is_missing(database):
        return None
    with database.reading() as session:
        if not inspect(session.connection()).has_table(Project.__tablename__):
            return None
        counted = [
            session.scalar(select(func.count()).select_from(table))
            for table in (Project, Comparison, Judgment)
        ]
    return Contents(*(count or 0 for count in counted))


def back_up(database: Database, path: Path, programs: PostgresPrograms, *, now: datetime) -> None:
    """Write all that is committed now into a new file, which is checked before it gets its name.
    The audit log has an entry of it before the first row is copied."""
    if revisions.current(database) is None:
        raise InvalidInput("The database has no tables, so there is nothing to back up.")
    _write_down(database, Action.BACKUP_STARTED, path, {}, now=now)
    with _written_whole(path.absolute()) as partial:
        if database.is_sqlite:
            backup_sqlite.write(database, partial)
        else:
            backup_postgres.write(database, partial, programs)


def revision_of(database: Database, path: Path, programs: PostgresPrograms) -> str:
    """The revision of a backup that this database can take; raises InvalidInput for any other."""
    # An absolute path is never taken for an option of a program.
    path = path.absolute()
    kind, expected = _kind(path), database.url.get_backend_name()
    if kind != expected:
        raise InvalidInput(
            f"{path} is a backup of {kind}, and PREFLOOP_DATABASE_URL names {expected}. "
            "Restore it into a database of the kind it came from."
        )
    if database.is_sqlite:
        revision = backup_sqlite.check(path)
    else:
        revision = backup_postgres.check(path, programs)
    if revision not in migrate.known_revisions():
        raise InvalidInput(
            f"{path} is at revision {revision}, which this version does not know. "
            "Restore it with the version that wrote it, or a later one."
        )
    return revision


def restore(database: Database, path: Path, programs: PostgresPrograms, *, now: datetime) -> None:
    """Replace all that the database holds by a backup that `revision_of` has accepted.

    It happens in one transaction: after a failure everything is as before. Then the tables are
    brought to this version, and the audit log of the backup goes on with an entry that says where
    the one ended whose place it took.
    """
    found = None if _is_missing(database) else revisions.current(database)
    if found is not None and found not in migrate.known_revisions():
        raise Conflict(
            f"The database is at revision {found}, which this version does not know, so it cannot "
            "be replaced safely. Use the version that it belongs to."
        )
    replaced = None
    if found is not None:
        with database.reading() as session:
            replaced = audit.last_hash(session)
    database.dispose()
    if database.is_sqlite:
        backup_sqlite.load(database, path)
    else:
        backup_postgres.load(database, path.absolute(), programs)
    migrate.upgrade(database)
    _write_down(database, Action.RESTORED, path, {"replaced_log_ended_with": replaced}, now=now)


def _write_down(
    database: Database, action: Action, path: Path, details: Mapping[str, Any], *, now: datetime
) -> None:
    with database.writing() as session:
        audit.record(
            session, by=None, action=action, subject=f"file {path.name}", details=details, now=now
        )


def _is_missing(database: Database) -> bool:
    """A SQLite file that has yet to be made."""
    return database.is_sqlite and not backup_sqlite.file_of(database).exists()


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).") from error
    for magic, kind in MAGIC.items():
        if start.startswith(magic):
            return kind
    raise InvalidInput(f"{path} is not a file that `prefloop db backup` wrote.")


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which becomes `path` once it is written to the disk."""
    _refuse_existing(path)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        # It holds everything, password hashes too: for its owner only.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield partial
        _sync(partial)
        _refuse_existing(path)
        partial.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error.strerror}).") from error
    finally:
        partial.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise InvalidInput(f"{path} exists already and is not overwritten; name a new file.")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
