"""A migrated database of each kind; every test runs on both."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.databases import make_database

from app import migrate
from app.db import Database

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        found = make_database(tmp_path / "prefloop.db")
        yield found
        found.dispose()
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("migrated_template")
    name = f"services_{next(_numbers)}"
    found = Database(server.create_database(name, template=template))
    yield found
    found.dispose()
    server.drop_database(name)


@pytest.fixture(scope="session")
def migrated_template(postgres_server) -> str:
    template = Database(postgres_server.create_database("services_template"))
    migrate.upgrade(template)
    template.dispose()
    return "services_template"
