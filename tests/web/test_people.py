"""One's own account, and what admins do with people, as pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from helpers.web import NOON, PASSWORD, Site, Visit
from sqlalchemy import select

from app.models.accounts import Annotator, AuditEntry, Role
from app.services import accounts, audit, memberships, projects
from app.services.audit import Action

NEW_PASSWORD = "another good password"


def id_of(site: Site, name: str) -> str:
    with site.database.reading() as session:
        return str(accounts.find_person(session, name).id)


def actions(site: Site) -> list[tuple[str, str]]:
    with site.database.reading() as session:
        rows = session.execute(
            select(AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.id)
        )
        return [(action, subject) for action, subject in rows]


def signed_out(visit: Visit) -> bool:
    return visit.get("/projects").headers.get("location", "").startswith("/sign-in")


def with_password(site: Site, name: str = "ada") -> Visit:
    with site.database.writing() as session:
        accounts.create_person(session, name=name, password=PASSWORD, role=Role.ANNOTATOR, now=NOON)
    return sign_in(site, name)


def sign_in(site: Site, name: str, password: str = PASSWORD) -> Visit:
    visit = site.visit()
    visit.get("/sign-in")
    response = visit.post("/sign-in", {"name": name, "password": password})
    assert response.status_code == 303, response.text
    visit.get("/projects")
    return visit


def test_a_changed_password_signs_out_every_other_browser_and_renews_this_one(site: Site) -> None:
    here = with_password(site)
    there = sign_in(site, "ada")
    before = here.client.cookies["prefloop_session"]

    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert here.post("/account/password", form).headers["location"] == "/account"

    assert not signed_out(here)
    assert here.client.cookies["prefloop_session"] != before
    assert signed_out(there)
    stolen = site.visit()
    stolen.client.cookies["prefloop_session"] = before
    assert signed_out(stolen)
    sign_in(site, "ada", NEW_PASSWORD)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"current_password": "not my password"}, "The current password is wrong"),
        ({"current_password": ""}, "The current password is wrong"),
        ({"new_password": "short"}, "has 5 characters"),
    ],
)
def test_a_refused_change_of_password_says_why_and_changes_nothing(
    site: Site, form: dict[str, Any], sentence: str
) -> None:
    visit = with_password(site)
    form = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, **form}
    response = visit.post("/account/password", form)
    assert response.status_code == 422
    assert sentence in response.text
    assert not signed_out(visit)
    sign_in(site, "ada")


def test_guessing_the_current_password_is_limited_like_signing_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = with_password(site)
    for module in ("account", "sign_in"):
        moment = datetime.now(UTC).replace(minute=1)
        monkeypatch.setattr(f"app.web.{module}.utc_now", lambda moment=moment: moment)
    # Argon2 is left out: only the counting is looked at.
    monkeypatch.setattr(accounts, "password_matches", lambda _hash, password: password == PASSWORD)
    form = {"current_password": "a wrong guess", "new_password": NEW_PASSWORD}
    statuses = [visit.post("/account/password", form).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_who_came_in_by_a_link_can_choose_a_first_password(site: Site) -> None:
    visit = site.signed_in("ada")
    assert "You have no password yet" in visit.get("/account").text
    assert visit.post("/account/password", {"new_password": NEW_PASSWORD}).status_code == 303
    sign_in(site, "ada", NEW_PASSWORD)


def test_signing_out_everywhere_ends_each_session_and_each_unused_link(site: Site) -> None:
    here = with_password(site)
    there = sign_in(site, "ada")
    with site.database.reading() as session:
        link = site.sign_in_link(accounts.find_person(session, "ada"))
    page = here.get("/account").text
    assert page.count("<tr><td") == 2
    assert page.count("this browser") == 1

    assert here.post("/account/sign-out-everywhere").headers["location"] == "/sign-in"

    assert signed_out(here)
    assert signed_out(there)
    assert site.visit().get(link).status_code == 404
    assert actions(site)[-1] == (Action.SIGNED_OUT_EVERYWHERE, "person ada")


def test_a_new_role_holds_after_signing_in_again_and_not_before(site: Site) -> None:
    admin, ada = site.signed_in("admin", Role.ADMIN), site.signed_in("ada")
    person = f"/people/{id_of(site, 'ada')}"
    assert "ada is <strong>annotator</strong>" in admin.get(person).text.replace("\n", "")

    assert admin.post(f"{person}/role", {"role": "reviewer"}).status_code == 303

    assert signed_out(ada)
    with site.database.reading() as session:
        changed = accounts.find_person(session, "ada")
    link = site.sign_in_link(changed)
    ada.get(link)
    ada.post(f"{link}/sign-in")
    assert ada.get("/admin/kitchen/overview").status_code == 200
    assert (Action.ROLE_CHANGED, "person ada") in actions(site)
    # The same role once more is no change.
    admin.post(f"{person}/role", {"role": "reviewer"})
    assert actions(site).count((Action.ROLE_CHANGED, "person ada")) == 1


@pytest.mark.parametrize("act", ["role", "disable"])
def test_the_last_admin_stays_admin_and_stays_in(site: Site, act: str) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    person = f"/people/{id_of(site, 'admin')}"
    response = admin.post(f"{person}/{act}", {"role": "annotator"})
    assert response.status_code == 409
    assert "admin is the last admin who can sign in" in response.text
    assert admin.get(person).status_code == 200

    site.person("second", Role.ADMIN)
    assert admin.post(f"{person}/{act}", {"role": "annotator"}).status_code == 303
    assert signed_out(admin)


def test_a_disabled_person_is_out_and_may_be_let_in_again(site: Site) -> None:
    admin, ada = site.signed_in("admin", Role.ADMIN), with_password(site)
    person = f"/people/{id_of(site, 'ada')}"
    admin.post(f"{person}/disable")
    assert signed_out(ada)
    assert "cannot sign in" in admin.get(person).text
    ada.get("/sign-in")
    refused = ada.post("/sign-in", {"name": "ada", "password": PASSWORD})
    assert refused.status_code == 401

    admin.post(f"{person}/enable")

    sign_in(site, "ada")
    done = [action for action, subject in actions(site) if subject == "person ada"]
    assert done == [
        Action.PERSON_ADDED,
        Action.SIGNED_IN,
        Action.PERSON_DISABLED,
        Action.SIGN_IN_REFUSED,
        Action.PERSON_ENABLED,
        Action.SIGNED_IN,
    ]


def test_an_admin_opens_a_project_to_a_person_and_closes_it_again(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    ada = site.signed_in("ada", member=False)
    person = f"/people/{id_of(site, 'ada')}"

    admin.post(f"{person}/projects", {"slug": "kitchen", "groups": " medics, law ,,law"})
    assert ada.get("/projects/kitchen/compare").status_code == 200
    assert 'value="law, medics"' in admin.get(person).text

    admin.post(f"{person}/projects/kitchen/groups", {"groups": ""})
    with site.database.reading() as session:
        (row,) = memberships.list_for(session, session.scalars(by_name("ada")).one())
        assert (row.project.slug, row.groups) == ("kitchen", [])

    assert admin.post(f"{person}/projects/kitchen/remove").status_code == 303
    assert ada.get("/projects/kitchen/compare").status_code == 404
    assert admin.post(f"{person}/projects/kitchen/remove").status_code == 404
    done = [action for action, _ in actions(site)]
    assert done[-3:] == [Action.MEMBER_ADDED, Action.GROUPS_CHANGED, Action.MEMBER_REMOVED]


def by_name(name: str) -> Any:
    return select(Annotator).where(Annotator.name == name)


def test_a_group_with_a_name_that_is_too_long_is_refused(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    person = f"/people/{id_of(site, 'admin')}"
    response = admin.post(f"{person}/projects/kitchen/groups", {"groups": f"a, {'b' * 81}"})
    assert response.status_code == 422
    assert "has 81 characters; use at most 80" in response.text


def test_an_admin_ends_an_open_invitation_on_the_page_of_people(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    made = admin.post("/admin/kitchen/invitations", {"role": "reviewer"}).text
    link = re.search(r'value="http://testserver(/invitations/[^"]+)"', made)
    assert link is not None
    assert site.visit().get(link[1]).status_code == 200
    revoke = re.search(r'action="(/people/invitations/[^"]+)"', admin.get("/people").text)
    assert revoke is not None

    assert admin.post(revoke[1]).headers["location"] == "/people"

    assert site.visit().get(link[1]).status_code == 404
    assert "/people/invitations/" not in admin.get("/people").text
    assert actions(site)[-1] == (Action.INVITATION_REVOKED, "an open invitation")


def test_people_are_found_by_part_of_their_name_and_imported_ones_are_no_people(
    site: Site,
) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    for name in ("Grace", "grace_hopper", "<b>eve"):
        site.person(name)
    with site.database.writing() as session:
        session.add(Annotator(name="grace-import", kind="imported", created_at=NOON))

    def found(query: str) -> list[str]:
        page = admin.get(f"/people?name={query}").text
        return re.findall(r'href="/people/[0-9a-f-]{36}">([^<]*)<', page)

    assert found("GRACE") == ["Grace", "grace_hopper"]
    assert found("e_h") == ["grace_hopper"]
    assert found("%25") == []
    assert found("eve") == ["&lt;b&gt;eve"]
    assert "Nobody has “x&lt;y” in their name." in admin.get("/people?name=x<y").text


def test_the_audit_page_shows_who_did_what_and_finds_it(site: Site) -> None:
    admin = site.signed_in("admin", Role.ADMIN)
    site.person("grace")
    admin.post(f"/people/{id_of(site, 'grace')}/role", {"role": "reviewer"})
    everything = admin.get("/audit").text
    assert "role changed" in everything
    assert "from</span> annotator" in everything

    found = admin.get("/audit?action=role+changed&name=GRACE").text
    assert "1 entry" in found
    assert "person grace" in found
    assert "No entry is like that." in admin.get("/audit?name=nobody").text
    assert admin.get("/audit?action=nonsense").status_code == 422


def test_reading_what_others_judged_is_written_down_with_who_and_what(site: Site) -> None:
    reviewer = site.signed_in("reviewer", Role.REVIEWER)
    page = reviewer.get("/admin/kitchen/comparisons").text
    link = re.search(r'href="(/admin/kitchen/comparisons/([0-9a-f-]{36}))"', page)
    assert link is not None
    reviewer.get(link[1])
    reviewer.get("/admin/kitchen/annotators")
    reviewer.get("/admin/kitchen/annotators")
    with site.database.reading() as session:
        comparison, annotators = audit.page_of(session, action=Action.JUDGMENTS_READ).rows[::-1]
        project = projects.by_slug(session, "kitchen")
    assert comparison.name == annotators.name == "reviewer"
    assert comparison.entry.subject == f"project {project.slug}"
    assert comparison.entry.details == {"comparison": link[2]}
    assert annotators.entry.details == {"annotators": []}
