"""Ranking more than two responses on the page, by keyboard, on a phone and without a connection."""

from __future__ import annotations

from uuid import UUID

import pytest
from helpers.browser import accessibility_problems
from helpers.data import import_plain
from helpers.person import enter, press, stored
from helpers.web import Site
from playwright.sync_api import Browser
from sqlalchemy import select

from app.models.judgments import Judgment
from app.models.projects import Completion

pytestmark = pytest.mark.browser


def test_three_responses_are_ranked_by_keyboard_and_kept_without_a_connection(
    site: Site, address: str, browser: Browser
) -> None:
    # A failed request is told on the console, which watched pages do not allow.
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    threes = [
        {"prompt": f"Rank {n}?", "completions": [f"{c} {n}" for c in "abc"], "priority": 1}
        for n in range(2)
    ]
    assert not import_plain(site.database, threes, slug="kitchen").rejected
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
    assert accessibility_problems(page, "ranking") == []
    texts = [text[0] for text in page.locator(".side .prose").all_inner_texts()]

    # Two of three places say nothing of the third.
    press(page, "r", "2", "Tab", "1", "Control+Enter")
    page.get_by_text("Give every response a place").wait_for()
    assert page.get_by_label("Ranked by place").is_checked()
    assert page.get_by_label("Place of response B").input_value() == "1"
    assert page.get_by_label("slightly").is_disabled()
    context.set_offline(True)
    press(page, "Tab", "2", "Control+Enter")
    page.get_by_text("It is kept in this browser").wait_for()
    assert stored(site) == 0
    context.set_offline(False)
    page.locator(".progress").get_by_text("1 of 7 judged", exact=True).wait_for()
    with site.database.reading() as session:
        given = session.scalars(select(Judgment)).one()
        named = {c.id: c.text[0] for c in session.scalars(select(Completion))}
    assert given.ranking is not None
    said = [{named[UUID(hex=key)] for key in group} for group in given.ranking]
    assert said == [{texts[1]}, {texts[0], texts[2]}]

    # Places are left out of another verdict, whose strength may be that of any side.
    press(page, "r", "3")
    page.get_by_label("C is better").check()
    press(page, "2", "Enter")
    page.locator(".progress").get_by_text("2 of 7 judged", exact=True).wait_for()
    with site.database.reading() as session:
        other = session.scalars(select(Judgment).where(Judgment.id != given.id)).one()
    assert (other.verdict, other.strength, other.ranking) == ("preferred", 2, None)
    # Two responses have no places.
    assert page.locator(".place").count() == 0
    context.close()
