from pathlib import Path

import pytest
from helpers.web import NOON, Site
from sqlalchemy import insert, select, text
from structlog.testing import capture_logs

from app.db import Database
from app.models.projects import Project
from app.services import invitations
from app.web.access import Anyone
from app.web.visitors import DatabaseDep


def test_a_wrong_address_gives_a_page_that_leads_back(site: Site) -> None:
    response = site.visit().get("/nowhere")
    assert response.status_code == 404
    assert "There is no page at this address" in response.text
    assert 'href="/projects"' in response.text


def test_a_wrong_method_and_a_wrong_id_are_pages_too(site: Site) -> None:
    visit = site.signed_in("ada")
    wrong_id = visit.post("/projects/kitchen/assignments/nonsense/skip", {"reason": "x"})
    assert wrong_id.status_code == 422
    assert "assignment_id: Input should be a valid UUID" in wrong_id.text
    assert "Sign out" in wrong_id.text
    wrong_method = visit.get("/sign-out")
    assert wrong_method.status_code == 405
    assert wrong_method.headers["allow"] == "POST"


def test_a_fragment_is_answered_with_a_fragment_for_the_notice(site: Site) -> None:
    visit = site.signed_in("ada")
    visit.client.cookies.clear()
    response = visit.get("/projects", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response.headers["hx-retarget"] == "#notice"
    assert response.text.startswith('<p class="notice bad">')


def test_an_unexpected_error_is_a_page_without_details_and_with_the_headers(site: Site) -> None:
    def fail(visitor: Anyone) -> None:
        raise ValueError("a secret detail")

    site.app.add_api_route("/fail", fail)
    response = site.visit().get("/fail")
    assert response.status_code == 500
    assert "Something failed on the server and nothing was stored" in response.text
    assert "secret detail" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_body_over_the_limit_is_refused(site: Site) -> None:
    visit = site.signed_in("ada")
    response = visit.post("/projects/kitchen/guideline/reading", {"x": "y" * 1024 * 1024})
    assert response.status_code == 413
    assert "larger than 1 MB" in response.text


def test_what_is_logged_of_an_error_holds_no_token_of_an_address(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(invitations, "find", fail)
    with capture_logs() as logs:
        assert site.visit().get("/invitations/a-secret-token").status_code == 500
    request, unexpected = logs
    assert (request["route"], request["status"]) == ("/invitations/{token}", 500)
    assert unexpected["event"] == "unexpected error"
    assert unexpected["route"] == "GET /invitations/{token}"
    assert unexpected["error"] == "ValueError"
    assert "a-secret-token" not in str(logs)


def test_two_who_change_the_same_thing_at_once_are_asked_to_try_again(site: Site) -> None:
    def collide(database: DatabaseDep, visitor: Anyone) -> None:
        with database.writing() as session:
            project = session.scalars(select(Project)).one()
            session.execute(insert(Project).values(slug=project.slug, name="x", created_at=NOON))

    site.app.add_api_route("/collide", collide)
    response = site.visit().get("/collide")
    assert response.status_code == 503
    assert "try again in a moment" in response.text


def test_a_database_without_tables_gives_503_and_is_not_ready(site: Site) -> None:
    visit = site.signed_in("ada")
    assert visit.get("/readyz").text == "ready\n"
    with site.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE sign_in_sessions RENAME TO elsewhere"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))

    with capture_logs() as logs:
        page = visit.get("/projects")

    assert page.status_code == 503
    assert "The database could not do this just now" in page.text
    # What the database said is for the log: it may name hosts, users and tables.
    assert "sign_in_sessions" not in page.text
    assert "no such table: sign_in_sessions" in logs[0]["error"]
    assert "Run `prefloop db upgrade`" in logs[0]["error"]
    visit.client.cookies.clear()
    ready = visit.get("/readyz")
    assert ready.status_code == 503
    assert "database is at older" in ready.text
    assert visit.get("/healthz").status_code == 200


def test_a_database_that_cannot_be_opened_is_not_ready(site: Site, tmp_path: Path) -> None:
    site.app.state.database = Database(f"sqlite:///{tmp_path}/missing/folder.db")
    response = site.visit().get("/readyz")
    assert response.status_code == 503
    assert response.text == "the database does not answer\n"
