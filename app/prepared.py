"""Statements that run with every judgment, compiled once and run by SQLite's driver.

SQLite answers such a statement in some 20 µs, inside this process and with its one writer waiting
for us; SQLAlchemy's way to it takes four times as long. What SQLAlchemy knows is used: the text,
and how each type goes in and comes out. On PostgreSQL, and whenever anything is unusual (lists in
IN, defaults made by Python, an error), a statement goes SQLAlchemy's own way.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

Convert = Callable[[Any], Any] | None


class Rows(list[Any]):
    """The rows of an answer; each has its columns as attributes."""

    def first(self) -> Any:
        """The first row, or None."""
        return self[0] if self else None

    def one_or_none(self) -> Any:
        assert len(self) <= 1, "the statement's key allows one row"
        return self.first()

    def one(self) -> Any:
        assert len(self) == 1, "the statement always gives one row"
        return self[0]

    def all(self) -> Rows:
        return self

    def scalar_one(self) -> Any:
        return self.one()[0]


class Prepared:
    """A statement with the names of its values, for SQLite."""

    def __init__(self, statement: Executable, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))  # type: ignore[attr-defined]
        self.text: str = compiled.string
        binds = compiled.binds
        missing = [name for name in compiled.positiontup if binds[name].required]
        if missing := [name for name in missing if name not in names]:
            raise TypeError(f"the statement needs values for {', '.join(missing)}: {self.text}")
        self.values: list[tuple[str, Any, Convert]] = [
            (name, binds[name].value, _going_in(binds[name].type, dialect))
            for name in compiled.positiontup
        ]
        self.is_usual = not (
            any(bind.expanding for bind in binds.values())
            or compiled.insert_prefetch
            or compiled.update_prefetch
        )
        self.row: Callable[..., Any] | None = None
        self.coming_out: list[tuple[int, Callable[[Any], Any]]] = []
        if isinstance(statement, Select):
            columns = list(statement.selected_columns)
            self.row = namedtuple("Row", [str(c.key) for c in columns], rename=True)  # type: ignore[misc]
            converters = [_coming_out(column.type, dialect) for column in columns]
            self.coming_out = [(i, c) for i, c in enumerate(converters) if c is not None]

    def run(self, driver: sqlite3.Connection, given: Mapping[str, Any]) -> Rows:
        values = []
        for name, default, convert in self.values:
            value = given.get(name, default)
            values.append(value if convert is None else convert(value))
        cursor = driver.execute(self.text, values)
        if self.row is None:
            return Rows()
        rows = Rows()
        for found in cursor.fetchall():
            cells = list(found)
            for i, convert_cell in self.coming_out:
                cells[i] = convert_cell(cells[i])
            rows.append(self.row(*cells))
        return rows


def _going_in(kind: Any, dialect: Dialect) -> Convert:
    convert: Convert = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _coming_out(kind: Any, dialect: Dialect) -> Convert:
    convert: Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert


@lru_cache(maxsize=500)
def _prepare(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> Prepared:
    return Prepared(statement, names, dialect)


def run(session: Session, statement: Executable, **values: Any) -> Rows:
    """Run a statement that was built once, without the ORM's bookkeeping.

    Objects that wait to be flushed are not, and those loaded before do not change.
    """
    connection = _connection(session)
    if connection.dialect.name == "sqlite":
        prepared = _prepare(statement, tuple(values), connection.dialect)
        driver = connection.connection.driver_connection
        if prepared.is_usual and isinstance(driver, sqlite3.Connection):
            try:
                return prepared.run(driver, values)
            except sqlite3.Error:
                # Told and counted as every other error of the database is.
                pass
    return _run_usually(connection, statement, values)


def _connection(session: Session) -> Connection:
    """The connection of the session's transaction; to ask the session each time costs as much as a
    statement does."""
    known: Connection | None = session.info.get(Connection)
    if known is None or known.closed or not known.in_transaction():
        known = session.info[Connection] = session.connection()
    return known


def _run_usually(connection: Connection, statement: Executable, values: Mapping[str, Any]) -> Rows:
    result = connection.execute(statement, values)
    return Rows(result.all()) if result.returns_rows else Rows()
