"""A person's path through a real browser: from the invitation to the rows of an export."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers.person import Seen, enter, judge_five_by_keyboard, wait_for_progress
from helpers.web import PASSWORD, Site
from playwright.sync_api import Page

from app.models.accounts import Role
from app.services import exports, invitations, projects

pytestmark = pytest.mark.browser


def test_from_the_invitation_to_the_exported_rows(
    site: Site, address: str, new_page: Callable[[], Page], tmp_path: Path
) -> None:
    with site.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        now = datetime.now(UTC)
        token = invitations.create(session, role=Role.ANNOTATOR, project=project, by=None, now=now)
    page = new_page()
    page.goto(f"{address}/invitations/{token}")
    page.get_by_label("Name").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Compare", exact=True).click()
    page.get_by_role("heading", name="How to compare").wait_for()
    page.get_by_role("button", name="I have read it").click()
    wait_for_progress(page, 0)

    seen = judge_five_by_keyboard(page)

    page.get_by_role("heading", name="Nothing left for you here").wait_for()
    page.goto(f"{address}/projects")
    wait_for_progress(page, 5)

    admin = new_page()
    enter(admin, site, address, "admin@example.org", Role.ADMIN)
    see_verdicts_as_admin(admin, address, seen)

    admin.goto(f"{address}/admin/kitchen/exports")
    admin.get_by_role("button", name="Export now").click()
    bundle = Path(admin.locator("h2.path").inner_text())
    check_rows(bundle, seen)
    with_ties = tmp_path / "with-ties"
    options = exports.ExportOptions(rows="judgments", ties="keep")
    exports.export_project(site.database, "kitchen", with_ties, options, now=now)
    assert len(rows_of(with_ties)) == len(seen)


def see_verdicts_as_admin(admin: Page, address: str, seen: list[Seen]) -> None:
    strengths = {1: "slightly", 2: "clearly", 3: "much"}
    for one in seen:
        admin.goto(f"{address}/admin/kitchen/comparisons")
        admin.get_by_role("link", name=one.prompt).click()
        admin.get_by_role("heading", name="1 judgment").wait_for()
        row = admin.get_by_role("row").nth(1).inner_text()
        assert "ada@example.org" in row
        if one.strength is None:
            assert one.verdict.replace("_", " ") in row
        else:
            chosen = one.a if one.verdict == "A" else one.b
            label = 1 + admin.locator("article.side .plain").all_text_contents().index(chosen)
            assert f"prefers {label}, {strengths[one.strength]}" in row


def rows_of(bundle: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for file in sorted((bundle / "preferences").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def check_rows(bundle: Path, seen: list[Seen]) -> None:
    """Exactly the texts that were seen: what was chosen is chosen, ties are left out."""

    def messages(role: str, text: str) -> str:
        return json.dumps([{"role": role, "content": text}])

    expected = {
        (
            messages("user", one.prompt),
            messages("assistant", one.a if one.verdict == "A" else one.b),
            messages("assistant", one.b if one.verdict == "A" else one.a),
            one.strength,
        )
        for one in seen
        if one.strength is not None
    }
    exported = {
        (*(json.dumps(row[column]) for column in ("prompt", "chosen", "rejected")), row["strength"])
        for row in rows_of(bundle)
    }
    assert len(expected) == 3
    assert exported == expected
