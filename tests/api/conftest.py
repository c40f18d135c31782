"""The site under test: fresh for each test, on SQLite, with people's programs beside it."""

from pathlib import Path

import pytest
from helpers.web import Site, make_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)
