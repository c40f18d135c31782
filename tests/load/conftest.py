"""An empty database of each kind, and a database server that a test may kill."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.postgres import PostgresServer

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/prefloop.db"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"load_{next(_numbers)}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """Never the one of TEST_DATABASE_URL, which others may use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        with PostgresServer() as server:
            yield server
