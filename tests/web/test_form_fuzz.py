"""What no page sends, sent to every page and form by an admin: nothing of it is a 5xx."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from helpers.matrix import Asker, Matrix
from helpers.postgres import PostgresServer
from helpers.routes import BODIES, Kind, Route, routes_of
from helpers.web import make_site
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app import migrate
from app.db import Database
from app.web.access import SAFE_METHODS

OTHER_NAMES = [
    "csrf_token", "page", "show", "name", "next", "project", "action", "tag", "source", "version",
    "week", "strength", "annotator", "other", "labels", "cause", "outcome", "counts",
    "written_by", "mixed", "size", "overlap", "day", "kind", "verdict", "given", "reason", "chose",
    "layout", "time", "differs", "candidate", "revises", "by", "figure", "sort", "target",
]  # fmt: skip
HALF_A_CHARACTER = b"\xed\xa0\x80"
NASTY = [
    b"",
    b"\x00",
    b"a\x00b",
    HALF_A_CHARACTER,
    b"\xff\xfe",
    b"-1",
    b"0",
    b"2147483648",
    b"9" * 30,
    b"9" * 5000,
    b"1e999",
    b"NaN",
    b"true",
    b"[" * 2000,
    b"x" * 20_000,
    b"../../etc/passwd",
    b"{{ 7 * 7 }}",
    b"' OR 1=1 --",
    b"%00",
    "\u202e\u2028\U0001f600".encode(),
]
VALUE = (
    st.sampled_from(NASTY)
    | st.binary(max_size=30)
    | st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
MEDIA_TYPES = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/json",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain",
    "\x80/\x80",
    "",
]
JSON = [b"{}", b"[]", b"null", b"{", b'{"a": ' * 500, json.dumps({"days": 10**40}).encode()]


@dataclass(frozen=True)
class Nasty:
    """A request that works, with something nasty in one place of it."""

    fields: dict[str, bytes] = field(default_factory=dict)
    """Put over the form's own fields, or into the query."""
    raw: tuple[str, bytes] | None = None
    """Media type and body, instead of the form."""
    blank: bytes | None = None
    """Fills a blank of the address."""


def nasty_requests(route: Route) -> st.SearchStrategy[Nasty]:
    names = [*BODIES.get(route.path, {}), *OTHER_NAMES]
    fields = st.dictionaries(st.sampled_from(names), VALUE, min_size=1, max_size=3)
    kinds = [fields.map(lambda found: Nasty(fields=found))]
    if route.method not in SAFE_METHODS:
        raw = st.tuples(st.sampled_from(MEDIA_TYPES), st.sampled_from(JSON) | VALUE)
        kinds.append(raw.map(lambda found: Nasty(raw=found)))
    if route.objects:
        kinds.append(VALUE.filter(len).map(lambda found: Nasty(blank=found)))
    return st.one_of(kinds)


class Target:
    """A site with people and work, and what is sent to it."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.routes = [route for route in routes_of(matrix.site) if not route.is_api]

    def send_nasty_requests(self, route: Route, examples: int) -> None:
        asker = self.matrix.asker(Kind.ADMIN)

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(nasty=nasty_requests(route))
        def send(nasty: Nasty) -> None:
            nonlocal asker
            response = self._send(route, asker, nasty)
            assert response.status_code < 500, f"{route} {nasty}: {response.text}"
            if "set-cookie" in response.headers:
                # Signed out, or in anew: the old session's form token is worth nothing.
                asker = self.matrix.asker(Kind.ADMIN)

        send()

    def _send(self, route: Route, asker: Asker, nasty: Nasty) -> Any:
        address = next(self.matrix.cases(route, asker)).address
        if nasty.blank is not None:
            own = address.split("/")
            blank = next(i for i, part in enumerate(route.path.split("/")) if "{" in part)
            own[blank] = quote(nasty.blank, safe="")
            address = "/".join(own)
        if route.method in SAFE_METHODS:
            query = urlencode(nasty.fields)
            return asker.client.request(route.method, f"{address}?{query}")
        form = {"csrf_token": asker.csrf_token, **self.matrix.body(route), **nasty.fields}
        media_type, body = nasty.raw or (MEDIA_TYPES[0], urlencode(form).encode())
        headers = {"x-csrf-token": asker.csrf_token, "Content-Type": media_type.encode("latin-1")}
        return asker.client.request(route.method, address, headers=headers, content=body)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("forms")
    return Target(Matrix(make_site(folder, overlap=1000, requests_per_minute=1_000_000)))


def test_no_form_and_no_page_answers_anything_with_a_server_error(target: Target) -> None:
    for route in target.routes:
        target.send_nasty_requests(route, examples=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_form_and_no_page_fails_in_a_long_run_on_postgresql(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.create_database("form_fuzz")
    migrate.upgrade(Database(url))
    site = make_site(tmp_path, overlap=1000, requests_per_minute=1_000_000, database_url=url)
    target = Target(Matrix(site))
    for route in target.routes:
        target.send_nasty_requests(route, examples=300)
    site.database.dispose()
    postgres_server.drop_database("form_fuzz")
