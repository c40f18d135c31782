"""Rows that are inserted, or changed where they are there already, in the same words for both
databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Executable, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import Base
from app.prepared import Asked, run_all


def insert_into(dialect: str, table: type[Base]) -> Any:
    """An INSERT that knows ON CONFLICT, in the same words for both."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upsert(
    session: Session,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    add: tuple[str, ...] = (),
    replace: tuple[str, ...] = (),
) -> None:
    """Insert rows, or change those with the same primary key: the columns `add` grow by what is
    given, the columns `replace` take it. Rows are
    locked in the order given, which must be the same for everybody."""
    run_all(session, *upserts(session, table, rows, add=add, replace=replace))


def upserts(
    session: Session,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    add: tuple[str, ...] = (),
    replace: tuple[str, ...] = (),
) -> list[Asked]:
    """The statements of `upsert`."""
    dialect = session.get_bind().dialect.name
    statement = _upsert_statement(dialect, table, add, replace)
    return [Asked(statement, row) for row in rows]


@cache
def _upsert_statement(
    dialect: str, table: type[Base], add: tuple[str, ...], replace: tuple[str, ...]
) -> Executable:
    columns = {column.name: column for column in inspect(table).columns}
    statement = insert_into(dialect, table)
    found: Executable = statement.on_conflict_do_update(
        index_elements=[column.name for column in inspect(table).primary_key],
        set_={
            **{name: columns[name] + statement.excluded[name] for name in add},
            **{name: statement.excluded[name] for name in replace},
        },
    )
    return found
