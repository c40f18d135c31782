"""Migrated SQLite databases: migrated once in each test process, and copied for each test."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from app import migrate
from app.db import Database


def make_database(path: Path) -> Database:
    """A new, empty database at the newest revision; its file is only for its owner."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(_migrated())
    return Database(f"sqlite:///{path}")


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        database = Database(f"sqlite:///{path}")
        migrate.upgrade(database)
        # The last connection to close empties the log beside the file into it.
        database.dispose()
        assert [file.name for file in path.parent.iterdir()] == [path.name]
        return path.read_bytes()
