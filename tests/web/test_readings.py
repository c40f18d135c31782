"""Which pages leave an entry in the audit log: those that show what others judged, one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers.web import NOON, Site, make_site

from app.models.accounts import Role
from app.services import assignments, audit, judgments, projects
from app.services.audit import Action
from app.services.judgments import Submission


@pytest.fixture
def judged(tmp_path: Path) -> Site:
    """One comparison on which two people disagree, both with a reason."""
    site = make_site(tmp_path, comparisons=1, overlap=2)
    for name, verdict in (("ada", "A"), ("grace", "tie")):
        person = site.person(name)
        with site.database.writing() as session:
            project = projects.by_slug(session, "kitchen")
            view = assignments.lease_next(session, project, person, lease_seconds=60, now=NOON)
            assert view is not None
            said = Submission(
                verdict=verdict, idempotency_key=f"{name}-0001", rationale=f"{name} says so."
            )
            judgments.submit(session, person, view.id, said, now=NOON)
    return site


def readings(site: Site) -> list[dict[str, Any]]:
    with site.database.reading() as session:
        rows = audit.page_of(session, action=Action.JUDGMENTS_READ).rows[::-1]
    return [row.entry.details for row in rows]


@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("comparisons", [{"list": "comparisons"}]),
        ("comparisons?show=open", []),
        ("comparisons?annotator=ada", [{"annotators": ["ada"]}]),
        ("triage", [{"list": "triage"}]),
        ("overview", []),
        ("agreement", []),
        ("leaderboard", []),
        ("planning", []),
        ("guideline", []),
    ],
)
def test_lists_of_single_verdicts_are_written_down_once_and_sums_over_many_are_not(
    judged: Site, page: str, entries: list[dict[str, Any]]
) -> None:
    reviewer = judged.signed_in("reviewer", Role.REVIEWER)
    for _ in range(2):
        assert reviewer.get(f"/admin/kitchen/{page}").status_code == 200
    assert readings(judged) == entries


def test_reasons_that_became_suggestions_are_read_on_the_page_of_the_guideline(
    judged: Site,
) -> None:
    admin = judged.signed_in("admin", Role.ADMIN)
    listed = admin.get("/admin/kitchen/comparisons?show=contested").text
    comparison = re.search(r'href="(/admin/kitchen/comparisons/[0-9a-f-]{36})"', listed)
    assert comparison is not None
    reason = re.search(r'name="judgment_id" value="([^"]+)"', admin.get(comparison[1]).text)
    assert reason is not None
    admin.post(f"{comparison[1]}/candidates", {"judgment_id": reason[1]})
    before = readings(judged)

    for _ in range(2):
        assert "says so." in admin.get("/admin/kitchen/guideline").text
    admin.post("/admin/kitchen/guideline/draft", {"markdown": "Be fair."})

    assert readings(judged) == [*before, {"list": "suggestions"}]
