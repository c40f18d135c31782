"""A page says that somebody looks at it, and only while somebody can."""

from __future__ import annotations

import pytest
from helpers.person import enter, wait_for_progress
from helpers.web import Site
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

VISIBILITY = """
    window.seen = "visible";
    Object.defineProperty(document, "visibilityState", {get: () => window.seen});
"""


def show(page: Page, state: str) -> None:
    page.evaluate("state => { window.seen = state; }", state)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_beats_are_sent_while_the_page_can_be_seen_and_none_while_it_is_hidden(
    site: Site, address: str, page: Page
) -> None:
    enter(page, site, address, "ada")
    page.clock.install()
    page.add_init_script(VISIBILITY)
    beats: list[str] = []
    page.on("request", lambda r: beats.append(r.url) if r.url.endswith("/heartbeat") else None)
    page.goto(f"{address}/projects/kitchen/compare")
    wait_for_progress(page, 0)
    section = page.locator("#comparison")
    between = 1000 * float(section.get_attribute("data-heartbeat-seconds") or 0)
    assert between == 1000 * site.settings.lease_seconds / 3

    # A page that was just opened has the whole lease, so the first beat is due after a third.
    page.clock.run_for(between - 1000)
    assert len(beats) == 0
    with page.expect_response("**/heartbeat") as first:
        page.clock.run_for(2000)
    assert first.value.status == 204
    page.clock.run_for(2 * between)
    assert len(beats) == 3

    show(page, "hidden")
    page.clock.run_for(5 * between)
    assert len(beats) == 3

    # Who comes back says so at once, not a third of a lease later.
    with page.expect_response("**/heartbeat") as back:
        show(page, "visible")
    assert back.value.status == 204
    assert len(beats) == 4
