"""The pages about people in a real browser: a role changed by hand, accessibility, a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from helpers.browser import accessibility_problems
from helpers.person import enter
from helpers.web import NOON, Site
from playwright.sync_api import Page, expect

from app.models.accounts import Role
from app.services import memberships, projects

pytestmark = pytest.mark.browser


def test_a_role_changes_only_after_it_was_confirmed(site: Site, address: str, page: Page) -> None:
    site.person("grace")
    enter(page, site, address, "admin", Role.ADMIN)
    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name="grace").click()
    page.get_by_role("button", name="Change the role").click()
    page.get_by_label("reviewer").check()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_text("grace is annotator")).to_be_visible()

    page.get_by_role("button", name="Change the role").click()
    page.get_by_label("reviewer").check()
    page.get_by_role("dialog").get_by_role("button", name="Change the role").click()

    expect(page.get_by_text("grace is reviewer")).to_be_visible()
    page.get_by_role("link", name="What they did, and what was done to them").click()
    expect(page.get_by_role("rowheader", name="Role changed person grace")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_about_people_are_accessible_and_fit_a_phone(
    site: Site, address: str, page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    name = "a.very.long.address.of.somebody@an-institute.example.org"
    person = site.person(name)
    with site.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        groups = ["a group", "another group with a long name"]
        memberships.set_groups(session, project, person, groups, by=person, now=NOON)
    enter(page, site, address, "admin", Role.ADMIN)
    problems: list[str] = []

    def look(where: str) -> None:
        problems.extend(accessibility_problems(page, where))

    for path in ("/account", "/people", f"/people/{person.id}", "/audit"):
        page.goto(address + path)
        look(path)
    page.goto(f"{address}/people/{person.id}")
    for button in ("Change the role", "Disable"):
        page.get_by_role("button", name=button).click()
        look(f"dialog {button}")
        page.keyboard.press("Escape")
    assert not problems, "\n".join(problems)
