"""Copies of a SQLite database, made and taken back by SQLite's own backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.db import Database
from app.errors import Conflict, InvalidInput, StorageUnavailable

PAGES_AT_ONCE = 5000
"""Between two such steps the copying can be interrupted."""


def write(database: Database, partial: Path) -> None:
    """Copy one state of the database into the empty file `partial`, and check the copy."""
    with _explained(partial), _open(file_of(database)) as source:
        # One read transaction throughout: the copy is of one state, and writers go on meanwhile.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with _open(partial) as copy:
            source.backup(copy, pages=PAGES_AT_ONCE)
            # One file, without the two that a database in use has beside it.
            copy.execute("PRAGMA journal_mode=delete")
    check(partial)


def check(path: Path) -> str:
    """The revision of a backup; raises InvalidInput where it is damaged or something else."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise InvalidInput(f"{path} is damaged: {found}.")
            row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise InvalidInput(f"{path} is not a whole backup of Prefloop ({error}).") from error
    if row is None:
        raise InvalidInput(f"{path} holds no tables of Prefloop.")
    return str(row[0])


def load(database: Database, path: Path) -> None:
    """Put the backup in the database's place, in one transaction of SQLite."""
    target_file = file_of(database)
    with _explained(target_file), _open(path) as source, _open(target_file) as target:
        try:
            # Nobody may leave this mode while anybody else has the file open.
            target.execute("PRAGMA journal_mode=delete")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise Conflict(
                f"{target_file} is in use; stop the server and every other `prefloop` that has it "
                "open, then restore."
            ) from error
        source.backup(target)


def file_of(database: Database) -> Path:
    """Where the database is; raises InvalidInput for one in memory."""
    name = database.url.database
    if not name or name == ":memory:":
        raise InvalidInput("A database in memory has no file to back up or to restore.")
    return Path(name)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        yield connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{path} could not be copied: {error}.") from error
