"""Programs that use the API of a site, each with a token of its own."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from helpers.web import Site
from starlette.testclient import TestClient

from app.api.access import ApiMay
from app.db import utc_now
from app.models.accounts import Annotator, Role
from app.services import tokens
from app.services.tokens import SCOPES, Scope
from app.web.access import rules_of_routes


class Program:
    """Sends a token with each request; `path` begins after `/api/v1`."""

    def __init__(self, site: Site, token: str | None) -> None:
        self.client = TestClient(site.app, raise_server_exceptions=False)
        self.token = token
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        if body is not None:
            # Escaped, so that half a character can be sent too.
            options["content"] = json.dumps(body).encode()
            options["headers"] = {"Content-Type": "application/json"}
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def import_lines(self, content: bytes, slug: str = "kitchen") -> Any:
        headers = {"Content-Type": "application/x-ndjson"}
        return self.request("POST", f"/projects/{slug}/import", content=content, headers=headers)


def scopes_of(role: Role) -> list[Scope]:
    """Every scope that this role may ask for."""
    ranks = list(Role)
    return [s for s, (needed, _) in SCOPES.items() if ranks.index(role) >= ranks.index(needed)]


def make_token(site: Site, owner: Annotator, scopes: Collection[str] | None = None) -> str:
    """A token of this person; for all that their role may ask for, unless scopes are named."""
    chosen = scopes_of(Role(owner.role)) if scopes is None else scopes
    with site.database.writing() as session:
        made = tokens.create(
            session, owner, scopes=chosen, days=30, label="test", by=owner, now=utc_now()
        )
    return made.text


def program(
    site: Site,
    name: str = "ada",
    role: Role = Role.ANNOTATOR,
    *,
    scopes: Collection[str] | None = None,
    **options: Any,
) -> Program:
    """A new person's program."""
    return Program(site, make_token(site, site.person(name, role, **options), scopes))


def api_rules(site: Site) -> dict[tuple[str, str], ApiMay]:
    """(method, path) of every route of the API, with its rule."""
    found = {}
    for name, rules in rules_of_routes(site.app):
        if len(rules) == 1 and isinstance(rules[0], ApiMay):
            method, path = name.split(" ")
            found[method, path] = rules[0]
    return found


def ndjson(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
