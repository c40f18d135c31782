"""Every route against everybody and everything: who gets what, and that nothing else changes.

The routes are those of the application itself, those of the API too. One that is new is in here
without a line of it, or fails until tests/helpers/routes.py knows what its address and body hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.matrix import SECRET, Matrix
from helpers.postgres import PostgresServer
from helpers.routes import BODIES, NAMED, Kind, Route, id_fields, routes_of
from helpers.web import Site, make_site

from app import migrate
from app.db import Database
from app.web.access import SAFE_METHODS, Anyone, AnyoneMay, check_every_route_has_a_rule


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    # As many judgments wanted as there are askers, and no limit on how often they ask.
    return Matrix(make_site(tmp_path, comparisons=1, overlap=1000, requests_per_minute=10**6))


def is_refused(response: Any) -> bool:
    location = response.headers.get("location", "")
    return response.status_code in {401, 403} or location.startswith("/sign-in?next=")


@pytest.mark.parametrize("kind", list(Kind))
def test_each_route_gives_each_asker_what_is_theirs_and_nothing_else(
    matrix: Matrix, kind: Kind
) -> None:
    wrong = wrong_answers(matrix, kind)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(Kind))
def test_each_route_gives_each_asker_what_is_theirs_and_nothing_else_on_postgresql(
    postgres_server: PostgresServer, tmp_path: Path, kind: Kind
) -> None:
    url = postgres_server.create_database("matrix")
    migrate.upgrade(Database(url))
    options = {"comparisons": 1, "overlap": 1000, "requests_per_minute": 10**6}
    matrix = Matrix(make_site(tmp_path, database_url=url, **options))
    wrong = wrong_about_fields(matrix, kind) + wrong_answers(matrix, kind)
    assert not wrong, "\n".join(wrong)
    matrix.site.database.dispose()
    postgres_server.drop_database("matrix")


def test_what_a_body_or_a_query_names_of_another_project_is_neither_shown_nor_changed(
    matrix: Matrix,
) -> None:
    wrong = [found for kind in Kind for found in wrong_about_fields(matrix, kind)]
    assert not wrong, "\n".join(wrong)


def wrong_about_fields(matrix: Matrix, kind: Kind) -> list[str]:
    """What is wrong with the answers to addresses of one's own with fields that name what is not
    in the project."""
    wrong: list[str] = []
    for route in routes_of(matrix.site):
        for fields in matrix.strange_fields(route) if route.rule.allows(kind.role) else ():
            asker = matrix.asker_for(route, kind)
            case = next(matrix.cases(route, asker))
            before = matrix.state()
            response = matrix.send(route, asker, case, fields)
            found = f"{kind}: {route} {fields}: {response.status_code}"
            (name, value), *_ = fields.items()
            # Suggestions that are not there are left alone, as those that somebody else dropped.
            refused = {404, 409} if route.method not in SAFE_METHODS and name != "candidate" else {}
            if response.status_code not in (refused or {200, 303, 422}):
                wrong.append(found)
            if SECRET in response.text:
                wrong.append(f"{found}, and it tells a secret")
            after = matrix.state()
            changed = {row for table in before for row in before[table] ^ after[table]}
            # SQLite stores ids without hyphens.
            spellings = (value, value.replace("-", ""))
            if any(one in row for one in spellings for row in changed) or (refused and changed):
                wrong.append(f"{found}, and it changed something")
    return wrong


def test_every_field_that_holds_an_id_is_asked_for_what_is_not_there(matrix: Matrix) -> None:
    named = {(path, name) for path, fields in NAMED.items() for name in fields}
    missing = id_fields(matrix.site) - named
    assert not missing, f"{missing}: teach tests/helpers/routes.py what these name"
    assert len(id_fields(matrix.site)) >= 6
    assert {path for path, _ in named} <= {route.path for route in routes_of(matrix.site)}


def wrong_answers(matrix: Matrix, kind: Kind) -> list[str]:
    """What is wrong with the answers of all routes to somebody of this kind."""
    wrong: list[str] = []
    for route in routes_of(matrix.site):
        asker = matrix.asker_for(route, kind)
        cases = list(matrix.cases(route, asker))
        before = {} if route.method in SAFE_METHODS else matrix.state()
        accepted = []
        for case in cases:
            if route.rule.allows(kind.role) and case.open_to_asker:
                accepted.append(case)
                continue
            response = matrix.send(route, asker, case)
            found = f"{kind}: {route} {case.variants}: {response.status_code}"
            if route.rule.allows(kind.role) and response.status_code != 404:
                wrong.append(f"{found}, expected 404")
            if not route.rule.allows(kind.role) and not is_refused(response):
                wrong.append(f"{found}, expected a refusal")
            if SECRET in response.text:
                wrong.append(f"{found}, and it tells a secret")
            wrong += without_headers(found, response)
        if before and matrix.state() != before:
            wrong.append(f"{kind}: {route}: a refused request changed something")
        for case in accepted:
            response = matrix.send(route, asker, case)
            found = f"{kind}: {route} {case.variants}: {response.status_code}"
            if response.status_code >= 400 or is_refused(response):
                wrong.append(f"{found}, expected success: {response.text[:300]}")
            wrong += without_headers(found, response)
    return wrong


def without_headers(found: str, response: Any) -> list[str]:
    expected = {
        "content-security-policy": "default-src 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [
        f"{found}, without {name}: {value}"
        for name, value in expected.items()
        if value not in response.headers.get(name, "")
    ] + [f"{found}, unsafe policy"] * ("unsafe" in response.headers["content-security-policy"])


def test_the_matrix_holds_every_kind_of_route(matrix: Matrix) -> None:
    routes = routes_of(matrix.site)
    allowed = {frozenset(kind for kind in Kind if r.rule.allows(kind.role)) for r in routes}
    assert {
        frozenset(Kind),
        frozenset({Kind.OUTSIDER, Kind.MEMBER, Kind.REVIEWER, Kind.ADMIN}),
        frozenset({Kind.REVIEWER, Kind.ADMIN}),
        frozenset({Kind.ADMIN}),
    } <= allowed
    assert {route.is_api for route in routes} == {True, False}
    unsafe = {route.path for route in routes if route.method not in SAFE_METHODS}
    assert unsafe == set(BODIES), "tests/helpers/routes.py knows a body of a route that is gone"


def test_a_new_route_without_a_rule_or_with_an_unknown_object_or_body_fails(
    matrix: Matrix,
) -> None:
    site, asker = matrix.site, matrix.asker(Kind.ADMIN)

    with pytest.raises(AssertionError, match="takes 'thing_id': teach"):
        list(matrix.cases(Route("GET", "/things/{thing_id}", AnyoneMay()), asker))
    with pytest.raises(AssertionError, match="PUT /things: teach"):
        matrix.body(Route("PUT", "/things", AnyoneMay()))
    site.app.add_api_route("/things", lambda: None, methods=["PUT"])
    with pytest.raises(RuntimeError, match="PUT /things has 0 access rules"):
        check_every_route_has_a_rule(site.app)


def test_a_cookie_opens_nothing_of_the_api_and_a_token_no_page(matrix: Matrix) -> None:
    admin = matrix.asker(Kind.ADMIN)
    # Who may read the agreement counts what was judged meanwhile; nothing is left to count.
    assert admin.client.get("/admin/kitchen/agreement").status_code == 200
    routes = [r for r in routes_of(matrix.site) if not isinstance(r.rule, AnyoneMay)]
    cases = [next(matrix.cases(route, admin)) for route in routes]
    before = matrix.state()
    for route, case in zip(routes, cases, strict=True):
        if route.is_api:
            headers = {"X-CSRF-Token": admin.csrf_token}
            client = admin.client
        else:
            headers = {"Authorization": f"Bearer {admin.bearer}"}
            client = matrix.site.visit().client
        response = client.request(route.method, case.address, headers=headers)
        assert is_refused(response), f"{route}: {response.status_code}"
        if route.is_api:
            # Both at once is what a confused browser sends, not a program.
            headers["Authorization"] = f"Bearer {admin.bearer}"
            both = client.request(route.method, case.address, headers=headers)
            assert (both.status_code == 401) == (route.method not in SAFE_METHODS), str(route)
    assert matrix.state() == before


def test_no_page_changes_anything_without_the_visitors_token_or_for_another_site(
    matrix: Matrix,
) -> None:
    admin = matrix.asker(Kind.ADMIN)
    unsafe = [
        route
        for route in routes_of(matrix.site)
        if route.method not in SAFE_METHODS and not route.is_api
    ]
    addresses = [next(matrix.cases(route, admin)).address for route in unsafe]
    before = matrix.state()
    for route, address in zip(unsafe, addresses, strict=True):
        body = matrix.body(route)
        for forged in (
            {"data": body},
            {"data": {**body, "csrf_token": "guessed"}},
            {"data": body, "headers": {"X-CSRF-Token": "guessed"}},
            {"data": body, "headers": {"Authorization": f"Bearer {admin.bearer}"}},
            {"json": body},
            {
                "data": {**body, "csrf_token": admin.csrf_token},
                "headers": {"Origin": "https://evil.example"},
            },
            {
                "data": {**body, "csrf_token": admin.csrf_token},
                "headers": {"Sec-Fetch-Site": "cross-site"},
            },
        ):
            response = admin.client.request(route.method, address, **forged)
            assert response.status_code == 403, f"{route} {forged}"
    assert matrix.state() == before
    assert len(unsafe) > 20


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_other_verbs_of_htmx_need_the_token_too(site: Site, method: str) -> None:
    def change(visitor: Anyone) -> str:
        return "changed"

    site.app.add_api_route("/thing", change, methods=[method])
    visit = site.visit()
    visit.get("/sign-in")
    assert visit.client.request(method, "/thing").status_code == 403
    assert (
        visit.client.request(method, "/thing", json={"csrf_token": visit.token}).status_code == 403
    )
    given = visit.client.request(method, "/thing", headers={"X-CSRF-Token": visit.token})
    assert given.status_code == 200
