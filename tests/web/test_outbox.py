"""A verdict is never lost between the browser and the server, and never stored twice.

These tests open contexts of their own: the browser reports a failed request on its console, which
the watched pages of the other tests would count as a problem.
"""

from __future__ import annotations

import pytest
from helpers.person import enter, press, stored, wait_for_progress
from helpers.processes import poll_until
from helpers.web import Site
from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.browser


def test_a_verdict_given_while_offline_arrives_once_after_reconnecting(
    site: Site, address: str, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
    wait_for_progress(page, 0)

    context.set_offline(True)
    press(page, "a", "2", "Enter")
    page.get_by_text("Not saved yet.").wait_for()
    page.get_by_text("kept in this browser").wait_for()
    assert page.get_by_role("button", name="Submit").is_disabled()
    assert stored(site) == 0

    context.set_offline(False)
    wait_for_progress(page, 1)
    page.get_by_text("Not saved yet.").wait_for(state="hidden")
    assert stored(site) == 1
    assert page.evaluate("Object.keys(localStorage).filter((k) => k.includes('outbox'))") == []
    context.close()


def test_a_verdict_whose_answer_was_lost_is_sent_again_and_stored_once(
    site: Site, address: str, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
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
    assert stored(site) == 1
    context.close()


def test_a_verdict_survives_closing_the_page_before_it_was_sent(
    site: Site, address: str, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
    context.set_offline(True)
    press(page, "t", "Enter")
    page.get_by_text("Not saved yet.").wait_for()
    page.close()

    context.set_offline(False)
    context.new_page().goto(f"{address}/projects")

    poll_until(lambda: stored(site) == 1, "the verdict kept in the browser", seconds=10)
    context.close()
