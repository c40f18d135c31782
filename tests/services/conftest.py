"""A migrated database of each kind, without rows; every test runs on both."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.databases import delete_all_rows, make_database
from helpers.postgres import PostgresServer

from app import migrate
from app.db import Database

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """On PostgreSQL the same one for all tests, emptied after each, because making and dropping
    one takes longer than most tests; those marked `own_database` get their own."""
    if request.param == "sqlite":
        found = make_database(tmp_path / "prefloop.db")
        yield found
        found.dispose()
    elif request.node.get_closest_marker("own_database") is None:
        found = request.getfixturevalue("shared_database")
        yield found
        delete_all_rows(found)
    else:
        yield from _own(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="session")
def shared_database(postgres_server: PostgresServer) -> Iterator[Database]:
    yield from _own(postgres_server)


def _own(server: PostgresServer) -> Iterator[Database]:
    name = f"services_{next(_numbers)}"
    found = Database(server.create_database(name))
    migrate.upgrade(found)
    yield found
    found.dispose()
    server.drop_database(name)
