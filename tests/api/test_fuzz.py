"""What nobody thought of, sent to the API: requests made up from its own description.

Schemathesis makes requests that follow the OpenAPI document and requests that break it; whoever
sends them, every answer has a documented status and media type, follows its schema, and is no 5xx.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from helpers.api import Program, make_token
from helpers.postgres import PostgresServer
from helpers.web import Site, make_site
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi import checks

from app import migrate
from app.api.v1 import openapi_document
from app.db import Database
from app.models.accounts import Role

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in openapi_document()["paths"].items()
    for method in methods
]
SHARES = [
    (Role.ADMIN, True, 9),
    (Role.ANNOTATOR, True, 9),
    (Role.REVIEWER, False, 3),
    ("nobody", True, 2),
    ("a wrong token", False, 2),
]
"""Who sends, whether to addresses behind which there is something, and how many of 25 requests."""

PATIENCE_SECONDS = 120
"""A slow answer on a busy machine is not what is looked for."""
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
TEXT = st.text(min_size=1, max_size=20)
JUDGMENT = st.fixed_dictionaries(
    {"annotator": TEXT | ANYTHING, "verdict": st.sampled_from([1, 2, "tie"]) | ANYTHING},
    optional={"strength": ANYTHING, "reason": ANYTHING, "ended_at": ANYTHING},
)
RECORD = st.fixed_dictionaries(
    {"prompt": TEXT, "completions": st.lists(TEXT, min_size=2, max_size=3, unique=True)},
    optional={
        "judgments": st.lists(JUDGMENT, max_size=2),
        "demonstration": TEXT | ANYTHING,
        "tags": st.lists(TEXT | ANYTHING, max_size=2),
        "split_group": ANYTHING,
        "id": ANYTHING,
    },
)
LINE = st.one_of(
    RECORD.map(lambda record: json.dumps(record).encode()),
    ANYTHING.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=20),
)
SIDES = st.lists(st.lists(st.sampled_from("ABC"), max_size=3), max_size=3)
KEY = {"idempotency_key": st.uuids().map(str)}
JUDGED = st.fixed_dictionaries(
    KEY,
    optional={"verdict": st.sampled_from(["A", "B", "C", "tie"]), "ranking": SIDES},
)
# Right by itself, so that some requests surely succeed.
PREFERRED = st.fixed_dictionaries({**KEY, "verdict": st.sampled_from(["A", "B", "tie"])})
FITTING = {
    "/api/v1/projects/{slug}/import": st.lists(LINE, max_size=5).map(b"\n".join),
    "/api/v1/projects/{slug}/guideline/reading": st.just({"version": 1}),
    "/api/v1/assignments/{assignment_id}/judgment": st.none() | PREFERRED | JUDGED,
}
"""Bodies that get further than what the document says of them; None leaves the body as it is."""


@schemathesis.serializer("application/x-ndjson")
def send_as_it_is(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


class Target:
    """A site with work in hand, and one client that stays open."""

    def __init__(self, site: Site, client: Any) -> None:
        self.client = client
        self.document = schemathesis.openapi.from_asgi("/api/openapi.json", site.app)
        self.tokens = {role: make_token(site, site.person(f"the {role}", role)) for role in Role}
        self.site = site

    def headers(self, caller: str) -> dict[str, str]:
        if caller == "nobody":
            return {}
        token = self.tokens[Role(caller)] if caller in list(Role) else caller
        return {"Authorization": f"Bearer {token}"}

    def known(self, path: str, caller: str) -> dict[str, str]:
        """What fills the blanks of a path so that there is something behind it."""
        if "{slug}" in path:
            return {"slug": "kitchen"}
        if "{assignment_id}" not in path:
            return {}
        role = caller if caller in list(Role) else Role.ANNOTATOR
        taken = Program(self.site, self.tokens[Role(role)]).post("/projects/kitchen/assignments")
        return {"assignment_id": taken.json()["id"]} if taken.status_code == 200 else {}

    def try_out(self, operation: str, times: int) -> None:
        """Send 25 requests so many times to one operation; some must be answered with success."""
        answered: Counter[int] = Counter()
        for caller, known, share in SHARES:
            answered.update(self._send(operation, caller, known, share * times))
        assert any(status < 400 for status in answered), f"{operation}: only {answered}"

    def _send(self, operation: str, caller: str, known: bool, examples: int) -> Counter[int]:
        method, path = operation.split(" ")
        described = self.document[path][method]
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        cases = st.one_of([described.as_strategy(generation_mode=mode) for mode in modes])
        answered: Counter[int] = Counter()

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, fitting=FITTING.get(path, st.none()))
        def send(case: Case, fitting: Any) -> None:
            if known:
                case.path_parameters = self.known(path, caller) or case.path_parameters
                case.body = case.body if fitting is None else fitting
            response = case.call(
                session=self.client, headers=self.headers(caller), timeout=PATIENCE_SECONDS
            )
            case.validate_response(response, checks=CHECKS)
            answered[response.status_code] += 1

        send()
        return answered


@contextmanager
def target_in(folder: Path, *, comparisons: int, **settings: Any) -> Iterator[Target]:
    site = make_site(
        folder, comparisons=comparisons, overlap=3, requests_per_minute=1_000_000, **settings
    )
    with asgi.get_client(site.app) as client:
        yield Target(site, client)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target_in(tmp_path_factory.mktemp("fuzz"), comparisons=60) as made:
        yield made


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described(target: Target, operation: str) -> None:
    target.try_out(operation, times=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_answer_is_as_described_in_a_long_run(
    postgres_server: PostgresServer, tmp_path: Path, kind: str
) -> None:
    options = {}
    if kind == "postgresql":
        options["database_url"] = postgres_server.create_database("api_fuzz")
        migrate.upgrade(Database(options["database_url"]))
    with target_in(tmp_path, comparisons=1500, **options) as target:
        for operation in OPERATIONS:
            target.try_out(operation, times=40)
    target.site.database.dispose()
