"""A verdict is never lost between the browser and the server, and never stored twice.

These tests open contexts of their own: the browser reports a failed request on its console, which
the watched pages of the other tests would count as a problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from helpers.person import enter, press, wait_for_progress
from helpers.processes import poll_until
from helpers.web import Site, make_site, serving
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import func, select

from app.models.judgments import Judgment

pytestmark = pytest.mark.browser

COMPARE = "/projects/kitchen/compare"
FOREIGN = [
    {"status": 404, "body": "default backend"},
    {"status": 400, "body": "The plain HTTP request was sent to HTTPS port"},
    {"status": 413, "body": "Request Entity Too Large"},
    {"status": 409, "body": "conflict"},
    {"status": 502, "body": "Bad Gateway"},
    {"status": 200, "body": "<h1>Welcome to the hotel</h1>", "content_type": "text/html"},
    {"status": 302, "headers": {"Location": "/sign-in"}},
]
"""What proxies answer while a container restarts, and networks before one has signed in."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One for all tests here: each has a person, who is not in the way of the others."""
    return make_site(tmp_path_factory.mktemp("site"), overlap=100)


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with serving(site.app) as address:
        yield address


@pytest.fixture
def page(
    site: Site, address: str, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """Somebody's first comparison."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    enter(page, site, address, str(request.node.name))
    page.goto(address + COMPARE)
    wait_for_progress(page, 0)
    yield page
    context.close()


def entries_of(page: Page) -> list[str]:
    """Where this browser keeps verdicts."""
    found = page.evaluate("Object.keys(localStorage).filter((k) => k.includes('outbox'))")
    assert isinstance(found, list)
    return found


def stored(site: Site, page: Page) -> int:
    """How many judgments the database holds of whoever sits before the page."""
    annotator = UUID(page.locator("body").get_attribute("data-annotator"))
    asked = select(func.count(Judgment.id)).where(Judgment.annotator_id == annotator)
    with site.database.reading() as session:
        return session.scalar(asked) or 0


def try_now(page: Page) -> None:
    with page.expect_response("**/judgment"):
        page.get_by_role("button", name="Try now").click()


def test_a_verdict_given_while_offline_arrives_once_after_reconnecting(
    site: Site, page: Page
) -> None:
    page.context.set_offline(True)
    press(page, "a", "2", "Enter")
    page.get_by_text("Not saved yet.").wait_for()
    page.get_by_text("kept in this browser").wait_for()
    assert page.get_by_role("button", name="Submit").is_disabled()
    assert stored(site, page) == 0

    page.context.set_offline(False)
    wait_for_progress(page, 1)
    page.get_by_text("Not saved yet.").wait_for(state="hidden")
    assert stored(site, page) == 1
    assert entries_of(page) == []


def test_a_verdict_whose_answer_was_lost_is_sent_again_and_stored_once(
    site: Site, page: Page
) -> None:
    keys: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append((route.request.post_data or "").split("idempotency_key=")[1])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/judgment", lose_the_first_answer)
    press(page, "b", "1", "Enter")

    wait_for_progress(page, 1)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert stored(site, page) == 1


def test_a_verdict_survives_closing_the_page_before_it_was_sent(
    site: Site, address: str, page: Page
) -> None:
    page.context.set_offline(True)
    press(page, "t", "Enter")
    page.get_by_text("Not saved yet.").wait_for()
    context = page.context
    page.close()

    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{address}/projects")

    poll_until(lambda: stored(site, again) == 1, "the verdict kept in the browser", seconds=10)


def test_whatever_others_answer_in_the_servers_place_the_verdict_stays_and_is_sent_again(
    site: Site, page: Page
) -> None:
    foreign = list(FOREIGN)
    keys: set[str] = set()
    restored: list[bool] = []

    def answer(route: Route) -> None:
        keys.add((route.request.post_data or "").split("idempotency_key=")[1])
        if restored:
            route.continue_()
        else:
            # The last of them for as long as it takes: the page asks again by itself, too.
            route.fulfill(**(foreign.pop(0) if len(foreign) > 1 else foreign[0]))

    page.route("**/judgment", answer)
    press(page, "a", "2", "Enter")
    page.get_by_text("answered in its place (4").wait_for()
    while len(foreign) > 1:
        try_now(page)
        page.get_by_text("Not saved yet.").wait_for()
        assert len(entries_of(page)) == 1, foreign
        assert page.get_by_role("button", name="Submit").is_disabled()
    page.get_by_text("You may be signed out").wait_for()
    assert stored(site, page) == 0

    restored.append(True)
    wait_for_progress(page, 1)
    assert stored(site, page) == 1
    assert len(keys) == 1
    assert entries_of(page) == []

    # To skip is no verdict, and what others answer is no comparison either.
    page.route("**/skip", lambda route: route.fulfill(**FOREIGN[5]))
    press(page, "s")
    page.locator("#skip .options input").first.check()
    press(page, "Enter")
    page.get_by_text("answered in its place. Try again.").wait_for()
    page.unroute("**/skip")
    press(page, "Enter")
    wait_for_progress(page, 1, of=4)


def test_a_verdict_given_after_the_session_ended_is_sent_once_one_is_signed_in_again(
    site: Site, address: str, page: Page
) -> None:
    signed_in = page.context.cookies()
    page.context.clear_cookies()
    press(page, "x", "Enter")
    page.get_by_text("You may be signed out").wait_for()
    assert (len(entries_of(page)), stored(site, page)) == (1, 0)

    page.context.add_cookies(signed_in)  # type: ignore[arg-type]
    page.reload()
    wait_for_progress(page, 1)
    assert (entries_of(page), stored(site, page)) == ([], 1)


def test_a_tab_whose_verdict_another_tab_delivers_goes_on(
    site: Site, address: str, page: Page
) -> None:
    other = page.context.new_page()
    other.goto(address + COMPARE)
    for tab, keys in ((page, ("a", "2")), (other, ("b", "1"))):
        tab.route("**/judgment", lambda route: route.abort())
        press(tab, *keys, "Enter")
        tab.get_by_text("Not saved yet.").wait_for()
    # Both were given the same comparison. Each verdict has a place of its own.
    assert len(entries_of(page)) == 2

    third = page.context.new_page()
    third.goto(f"{address}/projects")

    for tab in (page, other):
        wait_for_progress(tab, 1)
        tab.get_by_text("Not saved yet.").wait_for(state="hidden")
        assert tab.get_by_role("button", name="Submit").is_enabled()
    assert (entries_of(page), stored(site, page)) == ([], 1)


def test_a_verdict_from_before_is_sent_and_leaves_alone_what_is_half_written(
    site: Site, address: str, page: Page
) -> None:
    page.context.set_offline(True)
    press(page, "t", "Enter")
    page.get_by_text("Not saved yet.").wait_for()
    # Earlier versions kept a list under one key.
    (place,) = entries_of(page)
    into_list = """([place, list]) => {
        localStorage[list] = `[${localStorage[place]}]`;
        delete localStorage[place];
    }"""
    page.evaluate(into_list, [place, place.rpartition(".")[0]])
    context = page.context
    page.close()
    context.set_offline(False)
    later = context.new_page()
    later.goto(address + COMPARE)
    wait_for_progress(later, 1)
    assert (entries_of(later), stored(site, later)) == ([], 1)

    later.locator("textarea").fill("Half a thought")
    later.evaluate(
        """document.dispatchEvent(new CustomEvent("outbox:delivered", {detail: {
            entry: {project: "kitchen", url: "/another"}, html: "<section id=comparison></section>"
        }}))"""
    )
    assert later.locator("#status").inner_text() == "A verdict from before is saved."
    assert later.locator("textarea").input_value() == "Half a thought"
