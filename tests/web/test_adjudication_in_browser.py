"""A reviewer adjudicates by keyboard, and an admin makes the next guideline of it."""

from __future__ import annotations

from typing import Literal

import pytest
from helpers.browser import accessibility_problems
from helpers.person import enter, press
from helpers.web import NOON, Site
from playwright.sync_api import Page
from sqlalchemy import select

from app.models.accounts import Role
from app.models.adjudications import Adjudication
from app.services import imports
from app.services.import_files import Record

pytestmark = pytest.mark.browser


def add_disagreements(site: Site, n: int = 2) -> None:
    records = [
        Record(
            line=number,
            value={
                "prompt": f"Split {number}?",
                "completions": ["first words", "second words"],
                "judgments": [
                    {"annotator": "wilma", "verdict": 1, "reason": "It is short."},
                    {"annotator": "fred", "verdict": 2},
                ],
            },
        )
        for number in range(1, n + 1)
    ]
    assert not imports.import_records(site.database, "kitchen", records, now=NOON).rejected


def test_adjudicating_by_keyboard_up_to_the_next_guideline(
    site: Site, address: str, page: Page
) -> None:
    add_disagreements(site)
    enter(page, site, address, "vera", Role.ADMIN)
    page.goto(f"{address}/admin/kitchen/triage")
    page.get_by_text("of 2 disagreements to decide").wait_for()
    press(page, "Enter")
    page.wait_for_url("**/triage/*-*")
    assert "wilma" not in page.content()
    on_the_right = page.locator(".side-b .plain").text_content()
    # Without a decision the browser itself asks for one, and nothing is sent.
    press(page, "Enter")
    assert page.url.rsplit("/", 2)[1] == "triage"
    press(page, "ArrowRight", "1", "p", "w")
    page.keyboard.type("Say 1 or 2 words: t, x and s are letters here.")
    press(page, "Control+Enter")
    page.get_by_role("heading", name="Adjudicated: prefers").wait_for()
    page.get_by_text("Say 1 or 2 words: t, x and s are letters here.").first.wait_for()
    page.get_by_text("kitchen/wilma").wait_for()
    with site.database.reading() as session:
        stored = session.scalars(select(Adjudication)).one()
    assert (stored.outcome, stored.cause) == ("preferred", "taste")
    shown = page.locator(".side", has_text=(on_the_right or "").strip())
    label = shown.locator(".badge").inner_text()
    page.get_by_role("heading", name=f"Adjudicated: prefers {label}").wait_for()
    # On to the second one, which is the last.
    press(page, "n")
    page.wait_for_url("**/triage/*-*")
    press(page, "s", "2", "Enter")
    page.get_by_role("heading", name="Adjudicated: fairly split").wait_for()
    press(page, "n")
    page.wait_for_url("**/kitchen/triage")
    page.get_by_text("No disagreement waits for a decision.").wait_for()

    page.goto(f"{address}/admin/kitchen/guideline")
    page.get_by_label("Say 1 or 2 words").check()
    page.get_by_role("button", name="Put into the text").click()
    page.wait_for_url("**/draft")
    assert page.locator("#markdown").input_value().endswith("are letters here.")
    page.get_by_role("button", name="Publish version 2").click()
    page.get_by_text("Version 2, published").wait_for()


def test_deciding_works_without_a_script(site: Site, address: str, page: Page) -> None:
    add_disagreements(site, 1)
    enter(page, site, address, "vera", Role.REVIEWER)
    context = page.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=page.context.storage_state()
    )
    plain = context.new_page()
    plain.goto(f"{address}/admin/kitchen/triage/next")
    plain.get_by_label("Fairly split").check(force=True)
    plain.get_by_role("button", name="Decide").click()
    plain.get_by_role("heading", name="Adjudicated: fairly split").wait_for()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_accessibility_violation_and_fit_a_phone(
    site: Site, address: str, page: Page, scheme: Literal["light", "dark"]
) -> None:
    add_disagreements(site)
    page.emulate_media(color_scheme=scheme)
    enter(page, site, address, "vera", Role.ADMIN)
    problems: list[str] = []

    def look(name: str) -> None:
        problems.extend(accessibility_problems(page, name))

    page.goto(f"{address}/admin/kitchen/triage/next")
    press(page, "a", "2")
    look("adjudicate")
    press(page, "?")
    look("keys")
    press(page, "Escape", "p", "w")
    page.keyboard.type("A sentence.")
    press(page, "Control+Enter")
    page.get_by_role("heading", name="Adjudicated").wait_for()
    look("comparison")
    page.goto(f"{address}/admin/kitchen/triage")
    look("triage")
    for query in ("", "?undecided=true"):
        page.goto(f"{address}/admin/kitchen/triage/reasons{query}")
        page.get_by_text("It is short.", exact=True).wait_for()
        look(f"reasons{query}")
    page.goto(f"{address}/admin/kitchen/comparisons?cause=underspecified&tag=")
    page.get_by_text("Filter", exact=True).click()
    look("comparisons")
    page.goto(f"{address}/admin/kitchen/guideline")
    look("guideline")
    assert not problems, "\n".join(problems)
