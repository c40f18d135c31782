"""Dashboards of a project with something to tell: accessibility, both colour schemes, a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from helpers.browser import accessibility_problems
from helpers.office import SLUG, make_office
from helpers.person import enter
from helpers.web import Site
from playwright.sync_api import Page

from app.models.accounts import Role

pytestmark = pytest.mark.browser

PAGES = (
    "agreement", "agreement?by=strength&figure=ordinal&ties=without", "annotators",
    "annotators/matrix", "leaderboard", "planning",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dashboards_have_no_accessibility_violation_and_fit_a_phone(
    site: Site, address: str, page: Page, scheme: Literal["light", "dark"]
) -> None:
    make_office(site.database)
    page.emulate_media(color_scheme=scheme)
    enter(page, site, address, "ada", Role.ADMIN)
    problems: list[str] = []

    def look(name: str) -> None:
        # What is folded away is read too.
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        problems.extend(accessibility_problems(page, name))

    for name in PAGES:
        response = page.goto(f"{address}/admin/{SLUG}/{name}")
        assert response is not None
        assert response.status == 200, name
        look(name)
    page.set_viewport_size({"width": 1100, "height": 800})
    page.goto(f"{address}/admin/{SLUG}/annotators?sort=side")
    cut = "table => table.scrollWidth - table.parentElement.clientWidth"
    assert page.locator("table.people").evaluate(cut) <= 0, "the last column is cut off"
    page.locator("table.people tbody a").first.click()
    page.get_by_text("favours left").wait_for()
    look("annotator")
    assert not problems, "\n".join(problems)
