"""Databases of tests: migrated ones of SQLite, copied for each test, and emptied ones."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import inspect

from app import migrate
from app.db import Database
from app.models.tables import metadata


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
        assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}
        return path.read_bytes()


def delete_all_rows(database: Database) -> None:
    """Leave a PostgreSQL database as migrations make it. Fails where something still holds a lock,
    and where a table or the trigger that protects the log is not as it was."""
    names = [f'"{table.name}"' for table in reversed(metadata.sorted_tables)]
    with database.connecting() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        connection.exec_driver_sql(
            "SET LOCAL lock_timeout = '10s';"
            "ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_refuse_change;"
            + "".join(f"DELETE FROM {name};" for name in names)
            + "ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_refuse_change;"
            "SELECT setval('audit_entries_id_seq', 1, false)"
        )
