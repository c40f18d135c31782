"""The page of one's own API tokens."""

import re

from helpers.api import Program
from helpers.web import Site

from app.models.accounts import Role


def made_on_the_page(site: Site, visit, *scopes: str) -> Program:
    form = {"label": "my script", "days": "7", "scopes": list(scopes)}
    response = visit.post("/account/tokens", form)
    assert response.status_code == 200, response.text
    return Program(site, re.search(r'value="(prefloop_[^"]+)"', response.text)[1])


def test_a_token_made_on_the_page_is_shown_once_and_works_until_it_is_revoked(site: Site) -> None:
    visit = site.signed_in("ada")
    page = visit.get("/account/tokens").text
    assert "You have no token yet" in page

    program = made_on_the_page(site, visit, "read")

    assert program.get("/projects").status_code == 200
    listed = visit.get("/account/tokens").text
    assert "my script" in listed
    assert program.token not in listed
    revoke = re.search(r'hx-post="(/account/tokens/[^"]*/revoke)"', listed)[1]
    assert "revoked" in visit.post(revoke).text
    assert program.get("/projects").status_code == 401


def test_the_page_offers_the_scopes_of_the_role_and_the_server_refuses_others(site: Site) -> None:
    ada, root = site.signed_in("ada"), site.signed_in("root", Role.ADMIN)

    offered = [
        re.findall(r'name="scopes" value="(\w+)"', visit.get("/account/tokens").text)
        for visit in (ada, root)
    ]

    assert offered == [["annotate", "read"], ["annotate", "read", "import", "export"]]
    refused = ada.post("/account/tokens", {"label": "x", "days": "7", "scopes": ["export"]})
    assert refused.status_code == 422
    assert "needs the role admin" in refused.text


def test_nobody_sees_or_revokes_the_token_of_another(site: Site) -> None:
    ada, eve = site.signed_in("ada"), site.signed_in("eve")
    program = made_on_the_page(site, ada, "read")
    revoke = re.search(r'hx-post="([^"]*/revoke)"', ada.get("/account/tokens").text)[1]

    assert "my script" not in eve.get("/account/tokens").text
    assert eve.post(revoke).status_code == 404
    assert program.get("/projects").status_code == 200
