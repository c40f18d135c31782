"""Ids as the driver gives them: hex from SQLite, UUIDs from PostgreSQL.

To make an object of each takes longer than all the rest, where judgments are read by the million.
"""

from typing import Any

from sqlalchemy import type_coerce
from sqlalchemy.types import NullType


def raw(column: Any) -> Any:
    """The column, its values as the driver gives them."""
    return type_coerce(column, NullType())


def hex_of(key: Any) -> str:
    found: str = key if isinstance(key, str) else key.hex
    return found
