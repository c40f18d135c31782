"""The migrations and the tables say the same, on both databases, and every step can be undone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from helpers.postgres import PostgresServer
from sqlalchemy import inspect

import migrations
from app import migrate, revisions
from app.db import Database
from app.models import tables


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/prefloop.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database("migrations")
    database = Database(url)
    yield database
    database.dispose()
    if request.param == "postgresql":
        server.drop_database("migrations")


def test_the_migrations_build_exactly_the_tables(empty_database):
    migrate.upgrade(empty_database)

    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    assert revisions.current(empty_database) == revisions.expected()


def test_the_newest_revision_is_the_one_that_alembic_knows():
    folder = Path(migrations.__file__).parent
    assert revisions.expected() == ScriptDirectory(folder).get_current_head()


def test_the_migrations_can_be_undone_and_done_again(empty_database):
    migrate.upgrade(empty_database)
    migrate.downgrade(empty_database, "base")

    assert inspect(empty_database.engine).get_table_names() == ["alembic_version"]
    migrate.upgrade(empty_database)
    tables_now = set(inspect(empty_database.engine).get_table_names())
    assert tables_now == {*tables.metadata.tables, "alembic_version"}


# PostgreSQL makes a name up for a constraint that has none; SQLite shows that it has none.
@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_every_constraint_has_a_name(empty_database):
    migrate.upgrade(empty_database)
    inspector = inspect(empty_database.engine)
    unnamed = [
        (table, kind)
        for table in tables.metadata.tables
        for kind, found in (
            ("foreign key", inspector.get_foreign_keys(table)),
            ("unique", inspector.get_unique_constraints(table)),
            ("check", inspector.get_check_constraints(table)),
            ("primary key", [inspector.get_pk_constraint(table)]),
        )
        if any(constraint["name"] is None for constraint in found)
    ]

    assert unnamed == []
