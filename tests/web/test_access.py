"""Who gets in where, and requests that somebody else forged. Every route against everybody is in
test_route_matrix.py."""

import re

import pytest
from fastapi import APIRouter
from helpers.web import Site
from starlette.testclient import TestClient

from app.main import create_app
from app.web.access import check_every_route_has_a_rule


def test_every_route_names_exactly_one_rule(site: Site) -> None:
    check_every_route_has_a_rule(site.app)
    router = APIRouter()
    router.add_api_route("/open", lambda: None)
    site.app.include_router(router)
    with pytest.raises(RuntimeError, match="GET /open has 0 access rules"):
        check_every_route_has_a_rule(site.app)


def test_a_stranger_to_the_project_cannot_tell_it_from_one_that_does_not_exist(site: Site) -> None:
    visit = site.signed_in("outsider", member=False)
    hidden, missing = (visit.get(f"/projects/{slug}/compare") for slug in ("kitchen", "nothing"))
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace("kitchen", "nothing") == missing.text


def test_nobody_judges_on_the_assignment_of_another(site: Site) -> None:
    ada, eve = site.signed_in("ada"), site.signed_in("eve")
    action = re.search(r'action="([^"]*/judgment)"', ada.get("/projects/kitchen/compare").text)
    assert action is not None

    response = eve.post(action[1], {"verdict": "tie", "idempotency_key": "k" * 32})

    assert response.status_code == 404
    assert ada.post(action[1], {"verdict": "tie", "idempotency_key": "k" * 32}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ],
)
def test_a_post_from_another_site_is_refused_even_with_the_token(
    site: Site, headers: dict[str, str]
) -> None:
    visit = site.signed_in("ada", reads=False)
    response = visit.post("/projects/kitchen/guideline/reading", headers=headers)
    assert response.status_code == 403
    assert "another site" in response.text


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_post_without_the_right_token_changes_nothing(site: Site, token: str) -> None:
    visit = site.signed_in("ada", reads=False)
    path = "/projects/kitchen/guideline/reading"
    assert visit.client.post(path, data={"csrf_token": token}).status_code == 403
    assert visit.get("/projects/kitchen/compare").headers["location"].endswith("/guideline")
    own = {"sec-fetch-site": "same-origin", "x-csrf-token": visit.token}
    assert visit.client.post(path, headers=own).status_code == 303


def test_the_token_of_one_session_does_not_work_in_another(site: Site) -> None:
    ada, eve = site.signed_in("ada", reads=False), site.signed_in("eve", reads=False)
    ada.token = eve.token
    assert ada.post("/projects/kitchen/guideline/reading").status_code == 403


def test_every_answer_carries_the_protecting_headers(site: Site) -> None:
    visit = site.signed_in("ada")
    page = visit.get("/projects/kitchen/compare")
    stylesheet = re.search(r'href="(/static/[^"]*app.css)"', page.text)
    assert stylesheet is not None
    for response in (page, visit.get(stylesheet[1]), visit.get("/nowhere"), visit.get("/healthz")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert "immutable" in visit.get(stylesheet[1]).headers["cache-control"]


def test_cookies_cannot_be_read_by_scripts_and_in_production_need_https(site: Site) -> None:
    key = "Vt7uX0b2kQ9wLz4RfYh1nSgC8mJpAeDi"
    for environment, expected in (("development", ""), ("production", "__Host-")):
        settings = site.settings.model_copy(update={"environment": environment})
        production = settings.model_validate({**settings.model_dump(), "secret_key": key})
        client = TestClient(create_app(production), base_url="https://testserver")
        cookie = client.get("/sign-in").headers["set-cookie"]
        assert cookie.startswith(f"{expected}prefloop_visitor=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert ("Secure" in cookie) == (environment == "production")
