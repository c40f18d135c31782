import re
from datetime import UTC, datetime

import pytest
from helpers.web import NOON, PASSWORD, Site

from app.models.accounts import Role
from app.services import accounts
from app.web.sign_in import local_address


def add_person(site: Site, name: str = "ada") -> None:
    with site.database.writing() as session:
        accounts.create_person(session, name=name, password=PASSWORD, role=Role.ANNOTATOR, now=NOON)


def test_signing_in_leads_back_to_the_page_that_was_asked_for(site: Site) -> None:
    add_person(site)
    visit = site.visit()
    asked = visit.get("/projects/kitchen/compare?x=1")
    assert asked.status_code == 303
    visit.get(asked.headers["location"])

    form = {"name": "ada", "password": PASSWORD, "next": "/projects/kitchen/compare?x=1"}
    response = visit.post("/sign-in", form)

    assert (response.status_code, response.headers["location"]) == (
        303,
        "/projects/kitchen/compare?x=1",
    )
    assert "ada" in visit.get("/projects").text


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_address_to_go_to_never_leaves_this_site(address: str) -> None:
    assert local_address(address) == "/projects"


def test_a_wrong_password_shows_the_form_again_with_the_name(site: Site) -> None:
    add_person(site)
    visit = site.visit()
    visit.get("/sign-in")
    response = visit.post("/sign-in", {"name": "ada", "password": "wrong password"})
    assert response.status_code == 401
    assert "Name or password is wrong." in response.text
    assert 'value="ada"' in response.text
    assert "prefloop_session" not in response.headers.get("set-cookie", "")


def test_the_eleventh_try_for_a_name_has_to_wait_even_with_the_right_password(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The counts are of windows of the clock, and the test must not lie across the end of one.
    monkeypatch.setattr("app.web.sign_in.utc_now", lambda: datetime.now(UTC).replace(minute=1))
    # Argon2 is left out: only the counting is looked at, and ten real tries take seconds.
    monkeypatch.setattr(accounts, "password_matches", lambda _hash, password: password == PASSWORD)
    add_person(site)
    add_person(site, "eve")
    visit = site.visit()
    visit.get("/sign-in")
    wrong = {"name": "ada", "password": "wrong password"}
    # Space around the name, which signing in ignores, gives no more tries.
    spaced = [{**wrong, "name": f"{' ' * n}ada"} for n in range(10)]
    assert [visit.post("/sign-in", form).status_code for form in spaced] == [401] * 10

    blocked = visit.post("/sign-in", {"name": "ada", "password": PASSWORD})

    assert blocked.status_code == 429
    assert "wait five minutes" in blocked.text
    assert 1 <= int(blocked.headers["retry-after"]) <= 300
    assert visit.post("/sign-in", {"name": "eve", "password": PASSWORD}).status_code == 303


def test_each_sign_in_gives_a_new_session_and_ends_the_one_before(site: Site) -> None:
    visit = site.signed_in("ada")
    before = visit.client.cookies["prefloop_session"]
    with site.database.reading() as session:
        ada = accounts.find_person(session, "ada")
    link = site.sign_in_link(ada)
    assert visit.post(f"{link}/sign-in").status_code == 303
    after = visit.client.cookies["prefloop_session"]

    assert after != before
    stranger = site.visit()
    stranger.client.cookies["prefloop_session"] = before
    assert stranger.get("/projects").status_code == 303


def test_signing_out_ends_the_session_on_the_server_too(site: Site) -> None:
    visit = site.signed_in("ada")
    token = visit.client.cookies["prefloop_session"]
    assert visit.post("/sign-out").headers["location"] == "/sign-in"
    visit.client.cookies["prefloop_session"] = token
    assert visit.get("/projects").headers["location"].startswith("/sign-in")


def test_an_invitation_link_is_shown_once_and_lets_one_person_in(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    page = admin.post("/admin/kitchen/invitations", {"role": "reviewer"})
    link = re.search(r'value="http://testserver(/invitations/[^"]+)"', page.text)
    assert link is not None
    assert link[1] not in admin.get("/admin/kitchen/annotators").text

    grace = site.visit()
    assert "Kitchen and sky" in grace.get(link[1]).text
    short = grace.post(link[1], {"name": "grace", "password": "short"})
    assert short.status_code == 422
    assert "has 5 characters" in short.text
    assert grace.post(link[1], {"name": "grace", "password": PASSWORD}).status_code == 303
    assert grace.get("/admin/kitchen/overview").status_code == 200

    late = site.visit().get(link[1])
    assert late.status_code == 404
    assert "has been used" in late.text


def test_opening_a_sign_in_link_does_not_use_it_up(site: Site) -> None:
    link = site.sign_in_link(site.person("ada"))
    for _ in range(2):
        visit = site.visit()
        assert "Sign in as ada" in visit.get(link).text
    assert visit.post(f"{link}/sign-in").status_code == 303
    assert visit.get("/projects").status_code == 200
