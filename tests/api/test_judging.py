"""Judging over HTTP as a program does it: statuses, fields, and what is stored once."""

from datetime import timedelta
from uuid import UUID, uuid4

from helpers.api import Program, program
from helpers.web import Site, make_site
from sqlalchemy import func, select, update

from app.db import utc_now
from app.models.judgments import Assignment, Flag, Judgment, Skip
from app.models.projects import Completion
from app.services import guidelines, projects

NEXT = "/projects/kitchen/assignments"


def count(site: Site, table: type) -> int:
    with site.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def verdict(side: str = "A", **fields: object) -> dict[str, object]:
    return {"verdict": side, "idempotency_key": str(uuid4()), **fields}


def take(ada: Program) -> dict:
    response = ada.post(NEXT)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_assignment_holds_what_an_annotator_may_see_and_nothing_else(site: Site) -> None:
    shown = take(program(site))

    assert set(shown) == {"id", "comparison", "guideline_version", "lease_expires_at"}
    assert set(shown["comparison"]) == {"prompt", "completions"}
    assert [set(c) for c in shown["comparison"]["completions"]] == [{"side", "text"}] * 2
    assert [c["side"] for c in shown["comparison"]["completions"]] == ["A", "B"]
    assert shown["comparison"]["prompt"][-1]["role"] == "user"
    assert shown["guideline_version"] == 1
    assert "model-alpha" not in str(shown)


def test_asking_again_gives_the_same_comparison_until_it_is_judged(site: Site) -> None:
    ada = program(site)
    first, again = take(ada), take(ada)
    assert (first["id"], first["comparison"]) == (again["id"], again["comparison"])

    assert ada.post(f"/assignments/{first['id']}/judgment", verdict()).status_code == 201

    assert take(ada)["id"] != first["id"]


def test_the_side_named_is_the_completion_stored(site: Site) -> None:
    ada = program(site)
    for side in ("A", "B", "A"):
        shown = take(ada)
        texts = {c["side"]: c["text"] for c in shown["comparison"]["completions"]}
        body = verdict(side, strength=2, rationale="It is  better.\n", active_ms=1234)
        answer = ada.post(f"/assignments/{shown['id']}/judgment", body)
        assert answer.status_code == 201
        assert set(answer.json()) == {"id", "late"}
        with site.database.reading() as session:
            stored, text = session.execute(
                select(Judgment, Completion.text)
                .join(Completion, Completion.id == Judgment.preferred_id)
                .where(Judgment.assignment_id == UUID(shown["id"]))
            ).one()
        assert text == texts[side]
        assert (stored.strength, stored.rationale, stored.active_ms) == (2, "It is  better.", 1234)
        assert str(stored.id) == answer.json()["id"]


def test_an_undecided_verdict_prefers_nothing(site: Site) -> None:
    ada = program(site)
    for undecided in ("tie", "both_bad"):
        ada.post(f"/assignments/{take(ada)['id']}/judgment", verdict(undecided))

    with site.database.reading() as session:
        stored = session.execute(select(Judgment.verdict, Judgment.preferred_id)).all()
    assert sorted(stored) == [("both_bad", None), ("tie", None)]


def test_the_same_key_stores_once_and_another_key_conflicts(site: Site) -> None:
    ada = program(site)
    path, body = f"/assignments/{take(ada)['id']}/judgment", verdict()

    answers = [ada.post(path, body) for _ in range(3)]
    other = ada.post(path, verdict("B"))

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert other.status_code == 409
    assert "judged this comparison already" in other.json()["error"]["sentence"]
    assert count(site, Judgment) == 1


def test_a_key_of_another_comparison_conflicts(site: Site) -> None:
    ada = program(site)
    body = verdict()
    ada.post(f"/assignments/{take(ada)['id']}/judgment", body)

    assert ada.post(f"/assignments/{take(ada)['id']}/judgment", body).status_code == 409
    assert count(site, Judgment) == 1


def test_a_late_judgment_is_kept_and_says_so(site: Site) -> None:
    ada = program(site)
    shown = take(ada)
    with site.database.writing() as session:
        session.execute(
            update(Assignment).values(lease_expires_at=utc_now() - timedelta(seconds=1))
        )

    answer = ada.post(f"/assignments/{shown['id']}/judgment", verdict())

    assert (answer.status_code, answer.json()["late"]) == (201, True)


def test_when_nothing_is_left_the_answer_is_empty(tmp_path) -> None:
    site = make_site(tmp_path, comparisons=2)
    ada = program(site)
    for _ in range(2):
        ada.post(f"/assignments/{take(ada)['id']}/judgment", verdict())

    response = ada.post(NEXT)

    assert (response.status_code, response.content) == (204, b"")


def test_a_skip_passes_on_the_comparison_and_skipping_again_changes_nothing(site: Site) -> None:
    ada = program(site)
    shown = take(ada)
    path = f"/assignments/{shown['id']}/skip"

    answers = [ada.post(path, {"reason": "too long"}).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert count(site, Skip) == 1
    assert take(ada)["id"] != shown["id"]
    assert ada.post(f"/assignments/{shown['id']}/judgment", verdict()).status_code == 409


def test_a_flag_stays_beside_the_verdict(site: Site) -> None:
    ada = program(site)
    shown = take(ada)

    assert ada.post(f"/assignments/{shown['id']}/flag", {"reason": "unsafe"}).status_code == 204
    assert ada.post(f"/assignments/{shown['id']}/judgment", verdict()).status_code == 201
    assert (count(site, Flag), count(site, Judgment)) == (1, 1)


def test_a_heartbeat_moves_the_end_of_the_lease_and_ends_with_the_judgment(site: Site) -> None:
    ada = program(site)
    shown = take(ada)
    with site.database.writing() as session:
        session.execute(
            update(Assignment).values(lease_expires_at=utc_now() + timedelta(seconds=5))
        )
    path = f"/assignments/{shown['id']}/heartbeat"

    response = ada.post(path)

    assert response.status_code == 200
    assert response.json()["lease_expires_at"] > shown["lease_expires_at"]
    ada.post(f"/assignments/{shown['id']}/judgment", verdict())
    assert ada.post(path).status_code == 409


def test_a_guideline_comes_before_the_first_comparison(site: Site) -> None:
    ada = program(site, reads=False)
    refused = ada.post(NEXT)
    assert refused.status_code == 409
    assert "have not read version 1" in refused.json()["error"]["sentence"]
    guideline = ada.get("/projects/kitchen").json()["guideline"]
    assert (guideline["version"], guideline["read"]) == (1, False)
    assert "Choose the response" in guideline["markdown"]
    reading = "/projects/kitchen/guideline/reading"

    assert ada.post(reading, {"version": 2}).status_code == 409
    assert ada.post(reading, {"version": 1}).status_code == 204
    assert ada.post(reading, {"version": 1}).status_code == 204

    assert take(ada)["guideline_version"] == 1
    with site.database.writing() as session:
        project = projects.by_slug(session, "kitchen")
        guidelines.publish(session, project, "# New", by=None, now=utc_now())
    assert ada.post(NEXT).status_code == 409
    assert ada.post(reading, {"version": 1}).status_code == 409


NOT_AS_DESCRIBED = [
    {"verdict": "C"},
    {"verdict": "a"},
    {"verdict": ""},
    {"verdict": 1},
    {"verdict": None},
    {"idempotency_key": "short"},
    {"idempotency_key": "x" * 101},
    {"idempotency_key": "nul\x00 inside"},
    {"strength": 0},
    {"strength": 4},
    {"strength": "2"},
    {"strength": True},
    {"strength": 10**30},
    {"active_ms": -1},
    {"active_ms": 2**31},
    {"active_ms": 1.5},
    {"rationale": "x" * 10_001},
    {"rationale": "nul\x00"},
    {"rationale": "half a \ud83d smile"},
    {"ranking": [["A"], ["B"]]},
    {"\ud83d": 1},
]


def test_a_judgment_that_is_not_as_described_is_refused_and_nothing_is_stored(site: Site) -> None:
    ada = program(site)
    path = f"/assignments/{take(ada)['id']}/judgment"
    for change in NOT_AS_DESCRIBED:
        response = ada.post(path, {**verdict(), **change})

        assert response.status_code == 422, change
        assert response.json()["error"]["sentence"]
    assert count(site, Judgment) == 0


NO_OBJECTS = [
    b"",
    b"{",
    b"[1]",
    b'"text"',
    b"\xff\xfe",
    b"[" * 10_000,
    b"null",
    b'{"verdict": NaN}',
]


def test_a_body_that_is_no_json_object_is_refused(site: Site) -> None:
    ada = program(site)
    path = f"/assignments/{take(ada)['id']}/judgment"
    for content in NO_OBJECTS:
        headers = {"Content-Type": "application/json"}
        response = ada.request("POST", path, content=content, headers=headers)

        assert response.status_code == 422, content
        assert set(response.json()["error"]) == {"status", "sentence"}


def test_a_body_over_the_limit_is_refused(site: Site) -> None:
    ada = program(site)
    body = {"reason": "x" * 1_100_000}

    response = ada.post(f"/assignments/{take(ada)['id']}/skip", body)

    assert response.status_code == 413
    assert response.json()["error"]["status"] == 413
