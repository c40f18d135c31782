"""Fixtures that need a real server beside the test: PostgreSQL and a browser."""

import gc
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

import pytest
from ensure_browser import LAUNCH_FLAGS, installed_candidates, launches
from helpers.browser import NO_OTHER_HOSTS, open_watched_page
from helpers.postgres import PostgresServer
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from pwdlib import PasswordHash

# These take from ten seconds to a minute, most of them in few tests.
LONGEST_FILES = (
    "test_readme.py", "test_cli.py", "test_storage_faults.py", "test_real_votes.py",
    "test_crash.py", "test_race.py", "test_pages_in_browser.py", "test_route_matrix.py",
    "test_ppo.py", "test_compose.py", "test_serving.py", "test_screenshots.py",
    "test_adjudication_in_browser.py", "test_statistics.py", "test_backup.py", "test_queue_walk.py",
    "test_admin_walk_through.py", "test_dashboards_in_browser.py", "test_form_fuzz.py",
    "test_filled.py", "test_gradients.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process works on alone when the others have ended."""
    place = {name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: to look for garbage in it, again and again, takes a quarter of the
    collecting, and some of every test's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def product_passwords() -> "PasswordHash":
    """How the product stores passwords; in this process tests do so at the least cost there is,
    because what makes a guess expensive takes most of a second of every sign-in."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    from app.services import credentials

    found = credentials._passwords
    cheapest = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    credentials._passwords = PasswordHash((cheapest,))
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the session; each test makes the databases it needs."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = next(filter(launches, installed_candidates()), None)
    if path is None:
        pytest.fail("No Chromium starts; run `make test` or tools/ensure_browser.py to get one.")
    return path


# Playwright keeps an event loop running in this thread, so a session-wide browser would break
# every later test that calls asyncio.run.
@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path or None, args=[*LAUNCH_FLAGS, NO_OTHER_HOSTS]
        )
        yield browser
        browser.close()


@pytest.fixture
def page_problems() -> Iterator[list[str]]:
    """What went wrong in the test's pages; the test fails when any is left at its end."""
    problems: list[str] = []
    yield problems
    assert not problems, "the browser reported:\n" + "\n".join(problems)


@pytest.fixture
def new_page(browser: Browser, page_problems: list[str]) -> Iterator[Callable[[], Page]]:
    """Opens a page with cookies of its own, for tests with more than one person."""
    pages: list[Page] = []

    def open_page() -> Page:
        pages.append(open_watched_page(browser, page_problems))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()


@pytest.fixture
def page(new_page: Callable[[], Page]) -> Page:
    return new_page()
