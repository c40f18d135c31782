"""Reading projects, agreement and preferences as programs do it."""

import json
from pathlib import Path

import pytest
from helpers.api import ndjson, program
from helpers.data import pair
from helpers.processes import wait_for_what_pages_began
from helpers.web import Site
from sqlalchemy import select

from app.db import utc_now
from app.models.accounts import AuditEntry, Membership, Role
from app.models.projects import Comparison
from app.rules.split import SPLITS
from app.services import exports, projects, statistics
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


def test_agreement_is_divided_by_what_is_asked_for(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    root.import_lines(
        ndjson(
            pair(1, tags=["maths"], judgments=votes(1, 1)),
            pair(2, tags=["maths", "long"], judgments=votes(1, 2)),
            pair(3, tags=["maths"], judgments=votes("tie", 1, 1)),
            pair(4, judgments=votes(1, 1)),
        )
    )
    whole = root.get("/projects/kitchen/agreement").json()

    found = root.get("/projects/kitchen/agreement?by=tag").json()

    assert whole.keys().isdisjoint(("by", "slices", "left_out"))
    assert (whole["counted"], whole["waiting"]) == ("all", 0)
    assert whole["krippendorff_alpha_graded"]["reason"] == "no_overlap"
    assert found == {**whole, **{name: found[name] for name in found.keys() - whole.keys()}}
    assert (found["by"], found["left_out"], found["waiting"]) == ("tag", 0, 0)
    maths, long = found["slices"]
    assert [long[name] for name in ("name", "value", "comparisons", "overlap", "contested")] == [
        "long", "long", 1, 1, 1
    ]  # fmt: skip
    assert (maths["comparisons"], maths["contested"]) == (3, 2)
    names = {name for name, value in found.items() if isinstance(value, dict) and "n" in value}
    assert maths["statistics"].keys() == long["statistics"].keys() == names
    assert len(names) == 22
    # Two of two, none of one, one pair of three; without ties the third has two of two.
    shares = [maths["statistics"][f"percent_agreement{ties}"]["value"] for ties in ("", "_no_ties")]
    assert shares == pytest.approx([(1 + 0 + 1 / 3) / 3, 2 / 3])
    # Mean shares of first, second and tie, and four declared labels.
    pi = (1 + 1 / 2 + 2 / 3) / 3, (0 + 1 / 2 + 0) / 3, (0 + 0 + 1 / 3) / 3
    by_chance = sum(p * (1 - p) for p in pi) / 3
    assert maths["statistics"]["gwet_ac1"]["value"] == pytest.approx(
        ((1 + 1 / 3) / 3 - by_chance) / (1 - by_chance)
    )
    assert long["statistics"]["fleiss_kappa"]["reason"] == "too_few_for_interval"
    assert root.get("/projects/kitchen/agreement?by=all").status_code == 422
    by_week = root.get("/projects/kitchen/agreement?by=week").json()["slices"]
    assert [one["comparisons"] for one in by_week] == [4]


def test_slices_catch_up_with_judgments_that_wait(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "FOLDED_AT_ONCE", 1)
    root, ada = program(site, "root", Role.ADMIN), program(site)
    root.get("/projects/kitchen/agreement?by=week")
    for _ in range(3):
        taken = ada.post("/projects/kitchen/assignments").json()["id"]
        given = {"verdict": "A", "idempotency_key": f"key-{taken}"}
        assert ada.post(f"/assignments/{taken}/judgment", given).status_code == 201

    first = root.get("/projects/kitchen/agreement?by=week").json()
    assert wait_for_what_pages_began() == 1
    second = root.get("/projects/kitchen/agreement?by=week").json()

    assert (first["waiting"], second["waiting"]) == (2, 0)
    assert [one["comparisons"] for one in first["slices"] + second["slices"]] == [1, 3]


def test_imports_and_exports_are_written_down(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    root.import_lines(ndjson(pair(1, judgments=votes(1))))
    root.get("/projects/kitchen/preferences")

    with site.database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        actions = [entry.action for entry in entries if entry.annotator_id is not None]
    assert actions[-3:] == ["import started", "import finished", "exported"]
