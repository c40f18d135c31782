"""One line for each request, and in none of them anything that somebody sent or is."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.routing import iter_route_contexts
from helpers.api import Program, make_token
from helpers.web import Site
from sqlalchemy import text
from structlog.testing import capture_logs

from app.logs import configure_logs, traceback_of
from app.models.accounts import Role
from app.web.access import Anyone, AnyoneMay
from app.web.visitors import DatabaseDep

SECRETS = {
    "name": "zoe.quell@example.org",
    "password": "a-password-nobody-may-see",
    "token": "an-invitation-token-nobody-may-see",
    "rationale": "my-rationale-nobody-may-see",
    "query": "a-query-nobody-may-see",
    "cookie": "a-cookie-nobody-may-see",
    "bearer": "a-bearer-nobody-may-see",
    "client": "198.51.100.77",
}


class Log:
    """What this process writes to its log."""

    def __init__(self) -> None:
        self.stream = StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """The log as `prefloop serve` configures it, in production unless a test says otherwise."""
    handlers, level = logging.root.handlers, logging.root.level
    log = Log()
    monkeypatch.setattr(sys, "stderr", log.stream)
    configure_logs(getattr(request, "param", "production"))
    yield log
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_a_request_is_one_line_with_its_route_and_its_id(site: Site, written: Log) -> None:
    response = site.visit().get("/projects/kitchen/compare?x=1")

    (line,) = written.lines()
    assert line["event"] == "request"
    assert line["route"] == "/projects/{slug}/compare"
    assert (line["method"], line["status"]) == ("GET", response.status_code)
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["duration_ms"] > 0
    assert set(line) == {
        *("event", "level", "timestamp", "pid", "request_id"),
        *("route", "method", "status", "duration_ms"),
    }


def test_every_request_has_an_id_of_its_own_whatever_the_client_says(site: Site) -> None:
    visit = site.visit()
    answers = [visit.get("/healthz", headers={"X-Request-Id": "mine"}) for _ in range(3)]
    ids = {answer.headers["x-request-id"] for answer in answers}

    assert len(ids) == 3
    assert "mine" not in ids


def test_addresses_that_no_route_knows_and_strange_methods_share_their_names(site: Site) -> None:
    visit = site.visit()
    with capture_logs() as logs:
        visit.get("/some/where/else")
        visit.client.request("BREW", "/coffee")

    assert [(line["route"], line["method"]) for line in logs] == [
        ("no route", "GET"),
        ("no route", "other"),
    ]


def test_nothing_that_was_sent_is_in_the_log(site: Site, written: Log) -> None:
    """Sends secrets and personal data to every route, in every place a request has."""
    signed_in = site.signed_in(SECRETS["name"], Role.ADMIN)
    session_cookie = signed_in.client.cookies["prefloop_session"]
    visits = [site.visit(), signed_in]
    for visit in visits:
        visit.get("/sign-in")
        for context in iter_route_contexts(site.app.routes):
            path = re.sub(r"\{\w+\}", SECRETS["token"], context.path or "")
            for method in sorted(context.methods or {"GET"}):
                if "sign-out" not in path:
                    _send_everything(visit, method, path.replace(SECRETS["token"], "kitchen", 1))
                    _send_everything(visit, method, path)
    program = Program(site, make_token(site, site.person("robot", Role.ADMIN)))
    assignment = program.post("/projects/kitchen/assignments").json()["id"]
    judgment = {"verdict": "tie", "idempotency_key": SECRETS["bearer"]}
    judgment["rationale"] = SECRETS["rationale"]
    assert program.post(f"/assignments/{assignment}/judgment", judgment).status_code == 201

    assert len(written.lines()) > 100
    assert [name for name, secret in SECRETS.items() if secret in written.text] == []
    assert str(program.token) not in written.text
    assert session_cookie not in written.text
    assert signed_in.get("/projects").status_code == 200, "the admin was signed in throughout"


def _send_everything(visit: Any, method: str, path: str) -> None:
    headers = {"X-Forwarded-For": SECRETS["client"], "User-Agent": SECRETS["query"]}
    if visit.client.cookies.get("prefloop_session") is None:
        headers |= {"Authorization": f"Bearer {SECRETS['bearer']}", "Cookie": SECRETS["cookie"]}
    form = {"csrf_token": visit.token, "idempotency_key": SECRETS["bearer"], "verdict": "tie"}
    visit.client.request(
        method,
        f"{path}?q={SECRETS['query']}",
        headers=headers,
        data={**form, **SECRETS} if method != "GET" else None,
    )


def fail_with(secret: str) -> None:
    local = secret
    raise ValueError(f"the message holds {local}")


def test_an_unexpected_error_shows_where_but_no_value_and_no_message(
    site: Site, written: Log
) -> None:
    def fail(request: Request, visitor: Anyone) -> None:
        try:
            fail_with(request.query_params["q"])
        except ValueError as error:
            raise RuntimeError(f"again {error}") from error

    site.app.add_api_route("/fail", fail)
    response = site.visit().get(f"/fail?q={SECRETS['query']}")

    request, unexpected = written.lines()
    assert request["status"] == response.status_code == 500
    assert unexpected["request_id"] == request["request_id"] == response.headers["x-request-id"]
    assert "builtins.RuntimeError" in unexpected["traceback"]
    assert "builtins.ValueError" in unexpected["traceback"]
    assert "in fail_with" in unexpected["traceback"]
    assert SECRETS["query"] not in written.text


@pytest.mark.parametrize("written", ["production", "development"], indirect=True)
def test_a_failed_query_does_not_show_what_it_was_given(site: Site, written: Log) -> None:
    def query(database: DatabaseDep, visitor: Anyone) -> None:
        with database.reading() as session:
            session.execute(text("SELECT :x FROM"), {"x": SECRETS["rationale"]})

    site.app.add_api_route("/query", query)
    site.visit().get("/query")

    assert "OperationalError" in written.text or "storage unavailable" in written.text
    assert SECRETS["rationale"] not in written.text


@pytest.mark.parametrize("written", ["development"], indirect=True)
def test_in_development_a_line_is_for_people(site: Site, written: Log) -> None:
    def fail(visitor: Anyone) -> None:
        fail_with(SECRETS["password"])

    site.app.add_api_route("/fail", fail)
    site.visit().get("/fail")

    assert "in fail_with" in written.text
    assert SECRETS["password"] not in written.text
    with pytest.raises(json.JSONDecodeError):
        written.lines()


def test_other_libraries_write_in_the_same_form(written: Log) -> None:
    logging.getLogger("uvicorn.error").error("a worker said %s", "something")
    try:
        fail_with(SECRETS["token"])
    except ValueError:
        logging.getLogger("other").exception("it failed")
        # uvicorn says so of an error that our own line has told.
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")

    said, failed = written.lines()
    assert said["event"] == "a worker said something"
    assert "in fail_with" in failed["traceback"]
    assert SECRETS["token"] not in written.text


def test_a_traceback_ends_where_the_error_hides_what_it_followed() -> None:
    try:
        try:
            fail_with("x")
        except ValueError:
            raise KeyError("y") from None
    except KeyError as error:
        told = traceback_of(error)

    assert told.startswith("builtins.KeyError\n  ")
    assert "ValueError" not in told


def test_static_files_are_not_told(site: Site, written: Log) -> None:
    site.visit().get("/static/app.css")

    assert written.text == ""


def test_the_line_of_a_mounted_route_names_its_whole_pattern(site: Site) -> None:
    router = APIRouter(prefix="/deep/{place}", dependencies=[Depends(AnyoneMay())])
    router.add_api_route("/er/{number}", lambda: None)
    site.app.include_router(router)
    with capture_logs() as logs:
        site.visit().get("/deep/a/er/b")

    assert logs[0]["route"] == "/deep/{place}/er/{number}"


def test_a_log_that_cannot_be_written_stops_no_request(
    site: Site, written: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_text: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(written.stream, "write", refuse)
    assert site.visit().get("/healthz").status_code == 200
    assert written.text == ""
