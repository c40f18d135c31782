"""The API's description, for programs and for people."""

import re

from helpers.web import Site
from playwright.sync_api import Page

from app.web.api_docs import grouped_operations


def test_the_page_says_every_operation_of_the_document(site: Site) -> None:
    stranger = site.visit()
    document = stranger.get("/api/openapi.json").json()
    page = stranger.get("/api/docs")

    assert page.status_code == 200
    operations = [o for group in grouped_operations(document, address="").values() for o in group]
    assert len(operations) == sum(len(methods) for methods in document["paths"].values()) >= 11
    for operation in operations:
        assert f'id="{operation.id}"' in page.text
        assert operation.path in page.text
        assert operation.answers
        assert {"401", "403", "422", "429", "503"} <= {p.status for p in operation.problems}


def test_every_operation_is_told_with_its_scope_and_what_it_takes(site: Site) -> None:
    document = site.visit().get("/api/openapi.json").json()
    groups = grouped_operations(document, address="https://prefloop.example")
    judge = next(o for o in groups["Judging"] if o.path.endswith("/judgment"))

    assert (judge.method, judge.scope, judge.role) == ("POST", "annotate", "annotator")
    assert [(p.name, p.kind, p.required) for p in judge.parameters] == [
        ("assignment_id", "UUID", True)
    ]
    fields = {f.name: f for f in judge.body}
    assert list(fields) == [
        "verdict", "ranking", "idempotency_key", "strength", "rationale", "active_ms",
    ]  # fmt: skip
    assert fields["ranking"].kind == "list of list of text"
    assert (fields["strength"].kind, fields["strength"].required) == ("whole number or null", False)
    assert "at least 1, at most 3" in fields["strength"].description
    assert "8 characters or more, at most 100" in fields["idempotency_key"].description
    assert judge.curl.startswith("curl -X POST -H 'Authorization: Bearer TOKEN' https://prefloop.")
    assert '"verdict": "A"' in judge.curl
    take = next(o for o in groups["Judging"] if o.path.endswith("/assignments"))
    assert "comparison.completions[].side" in [f.name for f in take.answers[0].fields]
    assert [answer.status for answer in take.answers] == ["200", "204"]
    rows = next(o for o in groups["Projects"] if o.path.endswith("/preferences"))
    assert "chosen[].content" in [f.name for f in rows.answers[0].fields]


def test_the_page_holds_no_script_of_its_own_and_nothing_from_elsewhere(site: Site) -> None:
    page = site.visit().get("/api/docs").text

    assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", page)
    assert not re.search(r'(?:src|href)="https?:', page)


def test_an_operation_opens_in_a_browser(address: str, page: Page) -> None:
    page.goto(f"{address}/api/docs")
    judge = page.locator("details", has_text="/judgment")

    judge.locator("summary").click()

    judge.get_by_text("idempotency_key", exact=True).first.wait_for()
    assert judge.get_by_text("Authorization: Bearer TOKEN").is_visible()
