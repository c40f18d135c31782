"""Pages in a real browser: keys, hostile texts, accessibility, both colour schemes, a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from helpers.browser import accessibility_problems
from helpers.person import enter, judge_five_by_keyboard, press, stored, wait_for_progress
from helpers.web import Site, add_comparisons
from playwright.sync_api import Page
from sqlalchemy import select

from app.models.accounts import Role
from app.models.judgments import Judgment

pytestmark = pytest.mark.browser


def test_submitting_too_early_says_what_is_missing_and_sends_nothing(
    site: Site, address: str, page: Page
) -> None:
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
    press(page, "Enter")
    page.get_by_text("Choose A, B, tie or both bad first.").wait_for()
    press(page, "a", "Enter")
    page.get_by_text("How much better?").last.wait_for()
    press(page, "3", "w")
    page.keyboard.type("The best part: 1, 2 and x are letters here.")
    assert stored(site) == 0
    press(page, "Control+Enter")
    wait_for_progress(page, 1)
    with site.database.reading() as session:
        judgment = session.scalars(select(Judgment)).one()
    assert judgment.rationale == "The best part: 1, 2 and x are letters here."
    assert judgment.strength == 3
    assert judgment.active_ms is not None
    assert 0 < judgment.active_ms < 60_000


def test_skip_and_flag_work_by_keyboard(site: Site, address: str, page: Page) -> None:
    enter(page, site, address, "ada")
    page.goto(f"{address}/projects/kitchen/compare")
    press(page, "f")
    page.get_by_label("It is harmful or illegal").check()
    press(page, "Enter")
    page.get_by_text("Flagged. Thank you").wait_for()
    press(page, "Escape")
    press(page, "s")
    page.locator("#skip .other").fill("I wrote one of these")
    press(page, "Enter")
    wait_for_progress(page, 0, of=4)


def test_hostile_texts_do_nothing_but_be_read(site: Site, address: str, page: Page) -> None:
    fires = "window.fired = true"
    rows = [
        (f"<script>{fires}</script>", f'<img src=x onerror="{fires}">', f"[a](javascript:{fires})"),
        ("# ![x](http://127.0.0.1:9/pixel.png)", "<svg/onload='window.fired=true'>", "`</pre>`"),
    ]
    add_comparisons(site.database, rows)
    enter(page, site, address, "ada")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{address}/projects/kitchen/compare")
    for judged in range(1, 8):
        assert page.evaluate("window.fired") is None
        assert page.locator("#comparison img, #comparison script").count() == 0
        press(page, "x", "Enter")
        wait_for_progress(page, judged, of=7)
    assert not [url for url in requests if "pixel" in url]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_accessibility_violation_and_fit_a_phone(
    site: Site, address: str, page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    problems: list[str] = []

    def look(name: str) -> None:
        problems.extend(accessibility_problems(page, name))

    page.goto(f"{address}/sign-in")
    look("sign-in")
    enter(page, site, address, "admin", Role.ADMIN)
    look("projects")
    page.goto(f"{address}/projects/kitchen/guideline")
    look("guideline")
    page.goto(f"{address}/projects/kitchen/compare")
    look("compare")
    press(page, "a")
    look("compare, A chosen")
    press(page, "?")
    look("keys")
    press(page, "Escape")
    judge_five_by_keyboard(page)
    look("nothing left")
    for name in (
        "overview", "comparisons", "triage", "queue", "agreement", "annotators", "guideline",
        "exports",
    ):  # fmt: skip
        page.goto(f"{address}/admin/kitchen/{name}")
        look(f"admin {name}")
    page.goto(f"{address}/admin/kitchen/comparisons")
    page.locator("tbody a").first.click()
    page.get_by_role("heading", name="1 judgment").wait_for()
    look("admin comparison")
    assert not problems, "\n".join(problems)
