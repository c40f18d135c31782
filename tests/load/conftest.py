"""An empty database of each kind."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

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
