"""Importing over HTTP: nothing twice, nothing lost, every rejected line with its reason."""

import asyncio
import resource
from pathlib import Path

from helpers.api import ndjson, program
from helpers.data import pair
from helpers.web import Site, make_site
from sqlalchemy import select

from app.models.accounts import Role
from app.models.projects import Comparison


def votes(*verdicts: object) -> list[dict]:
    return [{"annotator": f"w{i}", "verdict": v} for i, v in enumerate(verdicts)]


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


def test_a_line_nested_too_deeply_is_rejected_and_a_long_value_is_not_repeated(
    site: Site,
) -> None:
    root = program(site, "root", Role.ADMIN)
    deep = b'{"prompt": ' + b"[" * 32 + b"]" * 32 + b', "completions": ["a", "b"]}\n'
    long = [
        {"judgments": [{"annotator": "a", "verdict": "y" * 9000}]},
        {"judgments": [{"annotator": "a", "verdict": 1, "strength": list(range(9000))}]},
        {"priority": {"y" * 9000: "y" * 9000}},
        {"gold": ["y" * 9000]},
        {"y" * 9000: 1},
        {"judgments": [{"annotator": "a", "verdict": 1, "ended_at": {"y": ["y" * 9000]}}]},
    ]
    lines = [pair(n, **fields) for n, fields in enumerate(long, start=2)]

    answer = root.import_lines(deep + ndjson(pair(1), *lines)).json()

    assert answer["added"]["comparisons"] == 1
    first, *others = answer["rejected"]
    assert first == {"line": 1, "reason": "nested deeper than 32 levels; make it flatter"}
    assert len(others) == len(long)
    for number, found in enumerate(others, start=3):
        assert found["line"] == number
        assert "…" in found["reason"]
        assert len(found["reason"]) < 300


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
