"""Which revision a database is at, and which one this version expects.

Every command and every look at the server's readiness asks it. Alembic, which knows as well, takes
a fifth of a second to import; `migrate.py` has it bring a database from one to the other.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import column, inspect, select, table

import migrations
from app.db import Database

VERSION = table("alembic_version", column("version_num"))


@cache
def expected() -> str:
    """The newest migration's: the name of each begins with its revision."""
    files = (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
    return max(path.name for path in files).partition("_")[0]


def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    with database.connecting() as connection:
        if not inspect(connection).has_table(VERSION.name):
            return None
        found: str | None = connection.scalar(select(VERSION.c.version_num))
        return found
