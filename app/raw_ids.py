"""Ids by the thousand: as the driver gives them (hex from SQLite, UUIDs from PostgreSQL), and many
in one value.

To make an object of each that is read, or to bind each that is asked for, takes longer than all the
rest.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType


def raw(column: Any) -> Any:
    """The column, its values as the driver gives them."""
    return type_coerce(column, NullType())


def hex_of(key: Any) -> str:
    found: str = key if isinstance(key, str) else key.hex
    return found


def is_among(session: Session, column: Any, ids: Sequence[Any]) -> ColumnElement[bool]:
    """Whether the column is one of the ids, which are raw or not."""
    if session.get_bind().dialect.name == "sqlite":
        given = func.json_each(json.dumps([hex_of(key) for key in ids]))
        found: ColumnElement[bool] = column.in_(select(given.table_valued("value").c.value))
        return found
    return column == any_(literal(ids, ARRAY(Uuid)))  # type: ignore[no-any-return]
