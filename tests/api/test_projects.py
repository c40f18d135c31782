"""Reading projects, agreement and preferences, and importing, as programs do it."""

import asyncio
import json
import resource
from pathlib import Path

import pytest
from helpers.api import ndjson, program
from helpers.data import pair
from helpers.web import Site, make_site
from sqlalchemy import select

from app.db import utc_now
from app.models.accounts import AuditEntry, Membership, Role
from app.models.projects import Comparison
from app.rules.split import SPLITS
from app.services import exports, projects
from app.services.exports import ExportOptions


def votes(*verdicts: object) -> list[dict]:
    return [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)]


def test_annotators_see_their_projects_and_reviewers_see_all(site: Site) -> None:
    with site.database.writing() as session:
        projects.create(session, slug="other", name="Other", now=utc_now())
    ada, rae = program(site), program(site, "rae", Role.REVIEWER)
    eve = program(site, "eve", member=False)

    seen = [[p["slug"] for p in who.get("/projects").json()["projects"]] for who in (ada, rae, eve)]

    assert seen == [["kitchen"], ["kitchen", "other"], []]


def test_a_project_tells_its_question_its_guideline_and_ones_own_progress(site: Site) -> None:
    ada = program(site)
    shown = ada.post("/projects/kitchen/assignments").json()
    ada.post(f"/assignments/{shown['id']}/skip", {"reason": "x"})

    project = ada.get("/projects/kitchen").json()

    assert project["question"] == "Which response helps more?"
    assert (project["guideline"]["version"], project["guideline"]["read"]) == (1, True)
    assert project["progress"] == {"judged": 0, "skipped": 1, "left": 4}


def test_a_stranger_cannot_tell_a_project_from_one_that_does_not_exist(site: Site) -> None:
    eve = program(site, "eve", member=False)

    for method, path in (("GET", ""), ("POST", "/assignments")):
        hidden, missing = (
            eve.request(method, f"/projects/{slug}{path}") for slug in ("kitchen", "nothing")
        )
        assert hidden.status_code == missing.status_code == 404
        assert hidden.text.replace("kitchen", "nothing") == missing.text


def test_who_left_a_project_can_judge_nothing_in_it_any_more(site: Site) -> None:
    ada = program(site)
    taken = ada.post("/projects/kitchen/assignments").json()["id"]
    with site.database.writing() as session:
        session.execute(Membership.__table__.delete())

    body = {"verdict": "A", "idempotency_key": "k" * 32}
    assert ada.post(f"/assignments/{taken}/judgment", body).status_code == 404
    assert ada.post(f"/assignments/{taken}/heartbeat").status_code == 404
    assert ada.post(f"/assignments/{taken}/skip", {"reason": "x"}).status_code == 404


def test_lines_are_imported_once_and_each_bad_one_comes_back_with_its_reason(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    content = ndjson(pair(1, judgments=votes(1, 2)), {"prompt": ""}, pair(2)) + b"{oops\n\n\xff\n"

    first, again = root.import_lines(content), root.import_lines(content)

    assert first.status_code == 200
    answer = first.json()
    assert (answer["records"], answer["already_there"]) == (5, 0)
    assert {k: n for k, n in answer["added"].items() if n} == {
        "prompts": 2,
        "completions": 4,
        "comparisons": 2,
        "judgments": 2,
    }
    assert [reject["line"] for reject in answer["rejected"]] == [2, 4, 6]
    assert "0 completions" in answer["rejected"][0]["reason"]
    assert "not JSON" in answer["rejected"][1]["reason"]
    assert "not UTF-8" in answer["rejected"][2]["reason"]
    assert not any(again.json()["added"].values())
    assert again.json()["already_there"] == 2


def test_an_import_may_be_larger_than_other_bodies_but_not_than_its_setting(tmp_path: Path) -> None:
    site = make_site(tmp_path, import_megabytes=2)
    root = program(site, "root", Role.ADMIN)
    line = ndjson({"prompt": "x" * 700_000, "completions": ["one", "two"]})
    other = ndjson({"prompt": "y" * 700_000, "completions": ["one", "two"]})

    assert root.import_lines(line + other).json()["added"]["comparisons"] == 2

    third = ndjson({"prompt": "z" * 700_000, "completions": ["one", "two"]})
    refused = root.import_lines(third + line + other)
    assert refused.status_code == 413
    assert "larger than 2 MiB and nothing of it was stored" in refused.text
    assert root.import_lines(third).json()["added"]["comparisons"] == 1


def test_a_line_that_is_too_long_is_a_reject(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    long = ndjson({"prompt": "x" * 1_100_000, "completions": ["one", "two"]})

    answer = root.import_lines(long + ndjson(pair(1))).json()

    assert answer["added"]["comparisons"] == 1
    assert answer["rejected"][0]["line"] == 1
    assert "more than 1048576 bytes" in answer["rejected"][0]["reason"]


def test_an_import_of_another_media_type_is_refused(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    path = "/projects/kitchen/import"
    for media_type in ("application/json", "text/plain", "", "a/b; c"):
        headers = {"Content-Type": media_type}
        refused = root.request("POST", path, content=ndjson(pair(1)), headers=headers)

        assert refused.status_code == 415
        assert "application/x-ndjson" in refused.json()["error"]["sentence"]


def test_an_import_that_breaks_off_stores_nothing_and_is_no_server_error(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    messages = [
        {"type": "http.request", "body": ndjson(pair(1)), "more_body": True},
        {"type": "http.disconnect"},
    ]
    statuses = []

    async def receive() -> dict:
        return messages.pop(0)

    async def send(message: dict) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/projects/kitchen/import",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {root.token}".encode()),
            (b"content-type", b"application/x-ndjson"),
        ],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(site.app(scope, receive, send))

    assert statuses[0] == 422
    with site.database.reading() as session:
        assert len(session.scalars(select(Comparison.id)).all()) == 5


def test_an_import_without_room_for_its_body_is_told_so(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    long = ndjson(*({"prompt": "x" * 100_000, "completions": ["a", str(i)]} for i in range(60)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal of this limit, so that writing fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, before[1]))
    try:
        refused = root.import_lines(long)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert refused.status_code == 503
    assert "nothing was stored" in refused.json()["error"]["sentence"]
    assert root.import_lines(long).json()["added"]["comparisons"] == 60


def test_nobody_but_an_admin_imports_or_exports(site: Site) -> None:
    for role in (Role.ANNOTATOR, Role.REVIEWER):
        someone = program(site, role, role)
        assert someone.import_lines(ndjson(pair(1))).status_code == 403
        assert someone.get("/projects/kitchen/preferences").status_code == 403
    with site.database.reading() as session:
        assert len(session.scalars(select(Comparison.id)).all()) == 5


def test_the_stream_of_preferences_holds_every_row_of_the_bundle_and_its_split(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.export_queries.BATCH", 3)
    root = program(site, "root", Role.ADMIN)
    root.import_lines(ndjson(*(pair(i, judgments=votes(1, 1, 2)) for i in range(1, 9))))

    response = root.get("/projects/kitchen/preferences")

    assert response.headers["content-type"] == "application/x-ndjson"
    streamed = [json.loads(line) for line in response.text.splitlines()]
    exports.export_project(
        site.database, "kitchen", tmp_path / "out", ExportOptions(), now=utc_now()
    )
    bundle = [
        {**json.loads(line), "split": split}
        for split in SPLITS
        for line in (tmp_path / "out" / "preferences" / f"{split}.jsonl").open()
    ]
    assert len(bundle) == 8
    assert sorted(streamed, key=str) == sorted(bundle, key=str)


def test_ties_and_single_judgments_are_rows_where_they_are_asked_for(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    root.import_lines(ndjson(pair(1, judgments=votes(1, 2)), pair(2, judgments=votes(1, "tie"))))

    counts = {
        query: root.get(f"/projects/kitchen/preferences?{query}").text.count("\n")
        for query in ("", "ties=keep", "rows=judgments", "rows=judgments&ties=keep")
    }

    assert counts == {"": 1, "ties=keep": 2, "rows=judgments": 3, "rows=judgments&ties=keep": 4}
    assert root.get("/projects/kitchen/preferences?rows=all").status_code == 422


def test_agreement_is_the_dashboards_and_for_reviewers(site: Site) -> None:
    root, ada = program(site, "root", Role.ADMIN), program(site)
    root.import_lines(ndjson(pair(1, judgments=votes(1, 1)), pair(2, judgments=votes(1, 2))))

    found = root.get("/projects/kitchen/agreement").json()

    assert found["percent_agreement"]["value"] == 0.5
    assert (found["n_judgments"], found["n_items_overlap"]) == (4, 2)
    assert ada.get("/projects/kitchen/agreement").status_code == 403


def test_imports_and_exports_are_written_down(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    root.import_lines(ndjson(pair(1, judgments=votes(1))))
    root.get("/projects/kitchen/preferences")

    with site.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        actions = [entry.action for entry in entries if entry.annotator_id is not None]
    assert actions[-3:] == ["import started", "import finished", "exported"]
