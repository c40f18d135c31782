"""What is too much of something: requests, bytes, fields, files, levels of nesting."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.api import Program, make_token
from helpers.web import Site, Visit, make_site
from starlette.testclient import TestClient

from app.errors import TooManyRequests
from app.models.accounts import Role
from app.rules.nesting import DEEPEST
from app.settings import Settings
from app.web.body_limits import MOST_FIELDS, _Depth, _Utf8
from app.web.request_limits import RequestLimiter

FORM = "/projects/kitchen/guideline/reading"


@pytest.fixture(autouse=True)
def minute_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are counted by the minutes of the clock, and none may end within a test."""
    at_ten_seconds = SimpleNamespace(time=lambda: 1_800_000_010.0)
    monkeypatch.setattr("app.web.request_limits.time", at_ten_seconds)


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"data": {f"field{n}": "x" for n in range(MOST_FIELDS)}}, 422, "Too many fields"),
        ({"files": [("f", ("f.txt", b"x")) for _ in range(11)]}, 422, "Too many files"),
        ({"data": {"x": "y" * 1024 * 1024}}, 413, "larger than 1 MB"),
        ({"files": {"f": ("f.txt", b"x" * 1024 * 1024)}}, 413, "larger than 1 MB"),
    ],
)
@pytest.mark.parametrize("path", [FORM, "/account/password"])
def test_a_form_with_too_much_in_it_is_refused_in_one_sentence(
    site: Site, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    visit = site.signed_in("ada", reads=False)
    if "data" in body:
        body["data"]["csrf_token"] = visit.token
    response = visit.client.post(path, **body)
    assert response.status_code == status
    assert sentence in response.text
    assert visit.get("/projects/kitchen/compare").headers["location"].endswith("/guideline")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (nested(DEEPEST), True),
        (nested(DEEPEST + 1), False),
        (nested(DEEPEST + 1, '{"a":', "}"), False),
        (nested(100_000), False),
        ("[" * 40, False),
        (json.dumps(["[" * 100, '"\\', "{" * 100]), True),
        (json.dumps([[], {}] * 1000), True),
        ('["\\"' + "[" * 100 + '"]', True),
        ('["\\\\", ' + "[" * 32, False),
    ],
)
def test_nesting_is_measured_outside_texts_however_the_body_is_cut(
    text: str, allowed: bool
) -> None:
    for size in (1, 2, 3, 7, len(text)):
        depth = _Depth()
        pieces = [text[at : at + size].encode() for at in range(0, min(len(text), 5000), size)]
        assert any(depth.exceeds(piece) for piece in pieces) != allowed, size


@pytest.mark.parametrize("content_type", ["application/json", "Application/Problem+JSON; a=b"])
def test_json_nested_too_deeply_is_refused_before_it_is_parsed(
    site: Site, content_type: str
) -> None:
    ada = Program(site, make_token(site, site.person("ada")))
    body = b'{"verdict": ' + nested(50_000).encode() + b"}"
    address = "/assignments/00000000-0000-4000-8000-000000000000/judgment"
    headers = {"Content-Type": content_type}
    response = ada.request("POST", address, content=body, headers=headers)
    assert response.status_code == 422
    assert f"nested deeper than {DEEPEST} levels" in response.json()["error"]["sentence"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_json_that_is_not_utf_8_is_refused_however_it_is_cut(site: Site, encoding: str) -> None:
    """In UTF-16 a quote may be half of another character, and nesting could hide behind it."""
    ada = Program(site, make_token(site, site.person("ada")))
    hidden = "\u2200" if encoding != "latin-1" else "ü"
    body = f'{{"verdict": ["{hidden}", {nested(DEEPEST + 5)}]}}'.encode(encoding)
    address = "/assignments/00000000-0000-4000-8000-000000000000/judgment"
    headers = {"Content-Type": "application/json"}
    for content in (body, iter([body[at : at + 1] for at in range(len(body))])):
        response = ada.request("POST", address, content=content, headers=headers)
        assert response.status_code == 422
        assert "the JSON is not UTF-8" in response.json()["error"]["sentence"]


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ('{"Gruß": "∀🙂"}'.encode(), True),
        ("\ufeff[]".encode(), True),
        ('"∀"'.encode()[:-2], False),
        ("[]".encode("utf-16-be"), False),
        (b"\xff\xfe[\x00", False),
        (b'"\xed\xa0\x80"', False),
    ],
)
def test_utf_8_is_recognised_however_the_body_is_cut(body: bytes, accepted: bool) -> None:
    for size in (1, 2, 3, len(body)):
        utf8 = _Utf8()
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        refused = [utf8.refuses(p, is_last=p is pieces[-1]) for p in pieces]
        assert any(refused) != accepted, size


def statuses(visit: Visit, path: str, times: int, **options: Any) -> list[int]:
    return [visit.get(path, **options).status_code for _ in range(times)]


def test_a_person_who_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=40)
    ada, eve = site.signed_in("ada"), site.signed_in("eve")
    codes = statuses(ada, "/account", 40)
    # One request was the page after signing in; signing in itself was a stranger's.
    assert codes == [200] * 39 + [429]
    refused = ada.get("/account")
    assert "Too many requests in one minute" in refused.text
    assert refused.headers["retry-after"] == "50"
    fragment = ada.get("/account", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["hx-retarget"]) == (429, "#notice")
    assert eve.get("/account").status_code == 200


def test_strangers_share_a_quarter_of_a_persons_limit_by_address(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=40)
    visit = site.visit()
    assert statuses(visit, "/sign-in", 11) == [200] * 10 + [429]
    assert site.visit().get("/sign-in").status_code == 429
    # A load balancer asks from the same address as everybody behind it.
    assert statuses(visit, "/healthz", 20) == [200] * 20


def test_a_token_is_limited_as_a_person_and_its_answer_is_json(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=10)
    person = site.person("ada", Role.REVIEWER)
    one, another = (Program(site, make_token(site, person)) for _ in range(2))
    assert [one.get("/projects").status_code for _ in range(11)] == [200] * 10 + [429]
    refused = one.get("/projects")
    assert refused.json()["error"]["status"] == 429
    assert refused.headers["retry-after"] == "50"
    assert another.get("/projects").status_code == 200


def test_tokens_that_nobody_made_are_limited_by_their_address(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=2)
    codes = [Program(site, f"guess {n}").get("/projects").status_code for n in range(21)]
    assert codes == [401] * 20 + [429]


def test_one_connection_gets_the_whole_number_however_many_workers_there_are() -> None:
    """It stays with one of them."""
    limiter = RequestLimiter(Settings(requests_per_minute=10, workers=4))
    for _ in range(10):
        limiter.count("person", "ada")
    with pytest.raises(TooManyRequests):
        limiter.count("person", "ada")


def test_one_customers_network_of_ipv6_is_one_stranger(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=40)

    def status(address: str) -> int:
        return TestClient(site.app, client=(address, 50_000)).get("/sign-in").status_code

    codes = [status(f"2001:db8:1:2:{number:x}::1") for number in range(1, 12)]
    assert codes == [200] * 10 + [429]
    assert status("2001:db8:1:3::1") == 200


def test_guessed_tokens_count_for_the_network_of_ipv6_too(tmp_path: Path) -> None:
    site = make_site(tmp_path, requests_per_minute=1)
    codes = []
    for number in range(11):
        client = TestClient(site.app, client=(f"2001:db8:1:2::{number:x}", 50_000))
        headers = {"Authorization": f"Bearer guess {number}"}
        codes.append(client.get("/api/v1/projects", headers=headers).status_code)
    assert codes == [401] * 10 + [429]
