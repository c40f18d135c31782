"""The site under test: fresh for each test, on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.web import Site, make_site, serving


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """The site behind a real server, for browsers."""
    with serving(site.app) as address:
        yield address
