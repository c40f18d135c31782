"""Tokens at the door of the API: each scope and role reaches its own routes and nothing else."""

import re

from helpers.api import Program, api_rules, make_token, program, scopes_of
from helpers.web import Site, make_site

from app.api.access import ApiMay
from app.db import utc_now
from app.models.accounts import Role
from app.services import accounts, projects, tokens
from app.services.tokens import SCOPES, Scope

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


def filled(path: str) -> str:
    path = path.removeprefix("/api/v1").replace("{slug}", "kitchen")
    return re.sub(r"\{\w+\}", UNKNOWN_ID, path)


def test_each_scope_and_role_reaches_its_routes_and_nothing_more(site: Site) -> None:
    rules = api_rules(site)
    assert {rule.scope for rule in rules.values()} == set(Scope)
    for role in Role:
        person = site.person(f"the {role}", role)
        for scope in scopes_of(role):
            caller = Program(site, make_token(site, person, [scope]))
            for (method, path), rule in rules.items():
                response = caller.request(method, filled(path))
                allowed = rule.scope == scope and rule.allows(role)
                where = f"{role} with {scope}: {method} {path}: {response.status_code}"
                assert (response.status_code == 403) != allowed, where
                assert response.status_code not in (401, 405), where
                assert response.status_code < 500, where


def test_a_scope_is_offered_to_the_lowest_role_of_its_routes(site: Site) -> None:
    ranks = list(Role)
    for scope, (role, _) in SCOPES.items():
        needed = [rule.role for rule in api_rules(site).values() if rule.scope == scope]
        assert min(needed, key=ranks.index) == role


NO_TOKENS = ["", "Bearer", "Bearer ", "Bearer wrong", "Basic dXNlcjpwYXNz", "bearer é", "Token x"]


def test_without_a_valid_token_every_route_answers_401_in_json(site: Site) -> None:
    stranger = Program(site, None)
    for method, path in api_rules(site):
        for authorization in NO_TOKENS:
            headers = {b"authorization": authorization.encode()} if authorization else {}
            response = stranger.request(method, filled(path), headers=headers)
            assert response.status_code == 401, f"{method} {path} {authorization}"
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["error"]["status"] == 401


def test_a_session_cookie_opens_nothing_of_the_api(site: Site) -> None:
    visit = site.signed_in("root", Role.ADMIN)
    for method, path in api_rules(site):
        address = f"/api/v1{filled(path)}"
        headers = {"x-csrf-token": visit.token}
        response = visit.client.request(method, address, headers=headers)
        assert response.status_code == 401, f"{method} {path}"


def test_a_role_that_was_taken_away_is_gone_from_tokens_at_once(site: Site) -> None:
    root = program(site, "root", Role.ADMIN)
    assert root.get("/projects/kitchen/agreement").status_code == 200

    with site.database.writing() as session:
        accounts.find_person(session, "root").role = Role.ANNOTATOR

    refused = root.get("/projects/kitchen/agreement")
    assert refused.status_code == 403
    assert "needs the role reviewer" in refused.json()["error"]["sentence"]
    with site.database.writing() as session:
        accounts.find_person(session, "root").disabled_at = utc_now()
    assert root.get("/projects").status_code == 401


def test_a_promotion_gives_nothing_to_a_token_that_was_made_before(site: Site) -> None:
    with site.database.writing() as session:
        projects.create(session, slug="garden", now=utc_now())
    person = site.person("ada")
    before = Program(site, make_token(site, person, [Scope.READ]))
    with site.database.writing() as session:
        person = accounts.find_person(session, "ada")
        person.role = Role.REVIEWER
    after = Program(site, make_token(site, person, [Scope.READ]))

    refused = before.get("/projects/kitchen/agreement")
    assert refused.status_code == 403
    assert "this token acts as annotator" in refused.json()["error"]["sentence"]
    assert before.get("/projects/garden").status_code == 404
    assert [p["slug"] for p in before.get("/projects").json()["projects"]] == ["kitchen"]
    assert after.get("/projects/kitchen/agreement").status_code == 200
    assert after.get("/projects/garden").status_code == 200


def test_nobody_touches_the_assignment_of_another(site: Site) -> None:
    ada, eve, root = program(site), program(site, "eve"), program(site, "root", Role.ADMIN)
    taken = ada.post("/projects/kitchen/assignments").json()["id"]
    bodies = {
        "judgment": {"verdict": "tie", "idempotency_key": "k" * 32},
        "skip": {"reason": "x"},
        "flag": {"reason": "x"},
        "heartbeat": None,
    }
    for other in (eve, root):
        for act, body in bodies.items():
            response = other.post(f"/assignments/{taken}/{act}", body)
            missing = other.post(f"/assignments/{UNKNOWN_ID}/{act}", body)
            assert response.status_code == missing.status_code == 404, act
            assert response.text.replace(taken, UNKNOWN_ID) == missing.text

    assert ada.post(f"/assignments/{taken}/judgment", bodies["judgment"]).status_code == 201


def test_errors_of_the_api_are_json_wherever_they_arise(site: Site) -> None:
    ada = program(site)
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("DELETE", "/projects", 405),
        ("POST", "/assignments/nonsense/heartbeat", 422),
    ):
        response = ada.request(method, path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        assert response.json()["error"]["status"] == status
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_too_many_requests_say_when_to_come_back(site: Site, tmp_path) -> None:
    (tmp_path / "slow").mkdir()
    ada = program(make_site(tmp_path / "slow", requests_per_minute=4))

    answers = [ada.get("/projects") for _ in range(6)]

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["error"]["status"] == 429


def test_the_rule_of_a_route_says_which_roles_it_lets_in() -> None:
    rule = ApiMay(Scope.READ, Role.REVIEWER)

    assert [rule.allows(role) for role in (None, *Role)] == [False, False, True, True]


def test_use_of_a_token_is_noted(site: Site) -> None:
    person = site.person("ada")
    ada = Program(site, make_token(site, person))
    ada.get("/projects")

    with site.database.reading() as session:
        (row,) = tokens.list_for(session, person)
    assert row.last_used_at is not None
