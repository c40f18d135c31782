"""Loads very many rows at once: COPY on PostgreSQL, one relaxed transaction on SQLite.

Secondary indexes are dropped before and made again after, and foreign keys are not checked while
loading; `check` checks them. The database is as durable as any other once this has ended.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

Column = list[str] | list[str | None] | list[int] | list[int | None]
Columns = dict[str, Column | str | int]
"""Column name to its values, or to the one value that all rows share; others stay empty."""
Chunks = Iterable[dict[str, Columns]]
"""Table name to columns, for one chunk after another."""


def load(url: URL, chunks: Chunks) -> None:
    if url.get_backend_name() == "sqlite":
        _load_sqlite(str(url.database), chunks)
    else:
        _load_postgres(url, chunks)


def _load_sqlite(path: str, chunks: Chunks) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        "journal_mode=off",
        "synchronous=off",
        "cache_size=-3000000",
        "foreign_keys=off",
    ):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.execute("BEGIN")
    for chunk in chunks:
        for table, columns in chunk.items():
            marks = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows_of(columns)
            )
    connection.execute("COMMIT")
    for _, statement in indexes:
        connection.execute(statement)
    connection.close()


def _load_postgres(url: URL, chunks: Chunks) -> None:
    with connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("SET synchronous_commit = off")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for chunk in chunks:
            for table, columns in chunk.items():
                _copy(connection, table, columns)
        for _, definition in indexes:
            connection.execute(sql.SQL(cast(LiteralString, definition)))
        connection.execute("CHECKPOINT")


def _copy(connection: psycopg.Connection, table: str, columns: Columns) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows_of(columns):
            copy.write_row(row)


def rows_of(columns: Columns) -> Iterator[tuple[str | int | None, ...]]:
    """The rows of a table, in the order of its columns."""
    count = next(len(values) for values in columns.values() if isinstance(values, list))
    every = (v if isinstance(v, list) else itertools.repeat(v, count) for v in columns.values())
    return zip(*every, strict=True)


def connect(url: URL) -> psycopg.Connection:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


def analyze(url: URL) -> None:
    """Let PostgreSQL count its rows, as its autovacuum does by and by; nobody does so on SQLite."""
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database))
        connection.execute("PRAGMA journal_mode=wal")
        connection.close()
    else:
        with connect(url) as postgres:
            postgres.execute("VACUUM ANALYZE")


def broken_references(path: str) -> int:
    """Rows of an SQLite file that name a row which is not there."""
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.close()
    return len(found)
