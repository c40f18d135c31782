"""Statements that run with every judgment, compiled once and run by the database's driver.

SQLite answers such a statement in some 20 µs, inside this process and with its one writer waiting
for us; SQLAlchemy's way to it takes four times as long, and on PostgreSQL (`pipeline.py`) as long
as the statement itself. What SQLAlchemy knows is used: the text, and how each type goes in and
comes out. Whenever anything is unusual (lists in IN, defaults made by Python), a statement goes
SQLAlchemy's own way, and so does every error.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Executable, Float, Select, UpdateBase
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from app.pipeline import Pipeline

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


class Asked(NamedTuple):
    """A statement that was built once, and its values."""

    statement: Executable
    values: Mapping[str, Any]


class Prepared:
    """A statement with the names of its values."""

    def __init__(self, statement: Executable, names: tuple[str, ...], dialect: Dialect) -> None:
        words = dialect if dialect.name == "sqlite" else _numbered()
        compiled: Any = statement.compile(dialect=words, column_keys=list(names))  # type: ignore[attr-defined]
        self.text: str = compiled.string
        binds = compiled.binds
        places = compiled.positiontup
        missing = [name for name in places if binds[name].required]
        if missing := [name for name in missing if name not in names]:
            raise TypeError(f"the statement needs values for {', '.join(missing)}: {self.text}")
        self.values: list[tuple[str, Any, Convert]] = [
            (name, binds[name].value, _going_in(binds[name].type, dialect)) for name in places
        ]
        self.is_usual = not (
            any(bind.expanding for bind in binds.values())
            or compiled.insert_prefetch
            or compiled.update_prefetch
        )
        self.row: Callable[[Iterable[Any]], Any] | None = None
        self.coming_out: list[tuple[int, Callable[[Any], Any]]] = []
        columns = _columns_of(statement)
        if columns:
            row: Any = namedtuple("Row", [str(c.key) for c in columns], rename=True)  # type: ignore[misc]
            self.row = row._make
            converters = [_coming_out(column.type, dialect) for column in columns]
            self.coming_out = [(i, c) for i, c in enumerate(converters) if c is not None]

    def converted(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in their places."""
        values = []
        for name, default, convert in self.values:
            value = given.get(name, default)
            values.append(value if convert is None else convert(value))
        return values

    def make_row(self, found: Iterable[Any]) -> Any:
        assert self.row is not None, "the statement gives rows"
        if not self.coming_out:
            return self.row(found)
        cells = list(found)
        for i, convert_cell in self.coming_out:
            cells[i] = convert_cell(cells[i])
        return self.row(cells)


@cache
def _numbered() -> Dialect:
    """Writes values as `$1` and so on, as PostgreSQL itself does."""
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return dialect


def _columns_of(statement: Executable) -> list[Any]:
    """Of the rows that it gives; none for a change without RETURNING."""
    if isinstance(statement, Select):
        return list(statement.selected_columns)
    return list(statement.exported_columns) if isinstance(statement, UpdateBase) else []


def _going_in(kind: Any, dialect: Dialect) -> Convert:
    convert: Convert = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _coming_out(kind: Any, dialect: Dialect) -> Convert:
    if dialect.name == "postgresql" and isinstance(kind, Float):
        # SQLAlchemy asks which type the answer has; it is double precision, as ours all are.
        return None
    convert: Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert


@lru_cache(maxsize=500)
def _prepare(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> Prepared:
    return Prepared(statement, names, dialect)


def run(session: Session, statement: Executable, **values: Any) -> Rows:
    """Run a statement that was built once, without the ORM's bookkeeping.

    Objects that wait to be flushed are not, and those loaded before do not change.
    """
    return run_all(session, Asked(statement, values))[0]


def run_on(connection: Connection, statement: Executable, values: Mapping[str, Any]) -> Rows:
    """The same, on a connection."""
    return _run(connection, [Asked(statement, values)])[0]


def run_all(session: Session, *asked: Asked, last: bool = False) -> list[Rows]:
    """Run statements in this order, none of which needs what another one gives. PostgreSQL is sent
    all at once, with the BEGIN before them: to ask and wait takes longer than most statements.

    `last` says that nothing else is done in this transaction: PostgreSQL is sent the COMMIT with
    them, and what follows all the same would be a transaction of its own.
    """
    return _run(_connection(session), asked, last=last)


def _run(connection: Connection, asked: Sequence[Asked], *, last: bool = False) -> list[Rows]:
    prepared = [_prepare(a.statement, tuple(a.values), connection.dialect) for a in asked]
    if not all(p.is_usual for p in prepared):
        return [_run_usually(connection, a) for a in asked]
    try:
        if connection.dialect.name == "sqlite":
            return _on_sqlite(connection, prepared, asked)
        return _on_postgresql(connection, prepared, asked, last=last)
    except connection.dialect.loaded_dbapi.Error as error:
        # Told and counted as every other error of the database is.
        connection._handle_dbapi_exception(error, prepared[0].text, None, None, None)
        raise AssertionError("that raises always") from error


def _on_sqlite(
    connection: Connection, prepared: Sequence[Prepared], asked: Sequence[Asked]
) -> list[Rows]:
    driver: Any = connection.connection.driver_connection
    answers = []
    for statement, (_, values) in zip(prepared, asked, strict=True):
        cursor = driver.execute(statement.text, statement.converted(values))
        answers.append(Rows(map(statement.make_row, cursor.fetchall() if statement.row else ())))
    return answers


def _on_postgresql(
    connection: Connection, prepared: Sequence[Prepared], asked: Sequence[Asked], *, last: bool
) -> list[Rows]:
    pipeline: Pipeline | None = connection.info.get("pipeline")
    if pipeline is None:
        # Whoever works on SQLite has no need of psycopg.
        from app.pipeline import Pipeline

        driver: Any = connection.connection.driver_connection
        pipeline = connection.info["pipeline"] = Pipeline(driver)
    results = pipeline.ask(
        [(p.text, p.converted(a.values)) for p, a in zip(prepared, asked, strict=True)],
        commit=last,
    )
    return [
        Rows(pipeline.rows(result, p.make_row) if p.row else ())
        for p, result in zip(prepared, results, strict=True)
    ]


def _connection(session: Session) -> Connection:
    """The connection of the session's transaction; to ask the session each time costs as much as a
    statement does."""
    known: Connection | None = session.info.get(Connection)
    if known is None or known.closed or not known.in_transaction():
        known = session.info[Connection] = session.connection()
    return known


def _run_usually(connection: Connection, asked: Asked) -> Rows:
    result = connection.execute(*asked)
    return Rows(result.all()) if result.returns_rows else Rows()
