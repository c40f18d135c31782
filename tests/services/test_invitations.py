"""An invitation is worth what its maker is, and ends with the right to have made it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from helpers.data import NOON
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import NotFound
from app.models.accounts import Annotator, Role
from app.services import accounts, audit, invitations, people, projects
from app.services.audit import Action

PASSWORD = "correct horse battery"


def admin(session: Session, name: str) -> Annotator:
    return accounts.create_person(session, name=name, password=None, role=Role.ADMIN, now=NOON)


def invite(session: Session, by: Annotator | None, role: Role = Role.ADMIN) -> str:
    return invitations.create(session, role=role, project=None, by=by, now=NOON)


def refuse(session: Session, token: str, sentence: str) -> None:
    with pytest.raises(NotFound, match=sentence):
        invitations.find(session, token, now=NOON)
    with pytest.raises(NotFound, match=sentence):
        invitations.accept(session, token, name="eve again", password=PASSWORD, now=NOON)


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.ADMIN])
@pytest.mark.parametrize("act", ["disable", "annotator", "reviewer"])
def test_who_was_put_out_cannot_come_back_by_an_invitation_of_their_own(
    database: Database, act: str, role: Role
) -> None:
    with database.writing() as session:
        ada, eve = admin(session, "ada"), admin(session, "eve")
        of_eve, of_ada = invite(session, eve, role), invite(session, ada)
        if act == "disable":
            people.disable(session, eve, by=ada, now=NOON)
        else:
            people.set_role(session, eve, Role(act), by=ada, now=NOON)

        refuse(session, of_eve, "not known here")
        assert invitations.find(session, of_ada, now=NOON).role == Role.ADMIN
    with database.reading() as session:
        (ended,) = audit.page_of(session, action=Action.INVITATION_REVOKED).rows
    assert (ended.name, ended.entry.subject) == ("ada", "person eve")
    assert ended.entry.details == {"invitations": 1}


def test_what_ended_stays_ended_when_its_maker_is_let_in_again(database: Database) -> None:
    with database.writing() as session:
        ada, eve = admin(session, "ada"), admin(session, "eve")
        token = invite(session, eve)
        people.disable(session, eve, by=ada, now=NOON)
        people.enable(session, eve, by=ada, now=NOON)

        refuse(session, token, "not known here")


@pytest.mark.parametrize("change", [{"disabled_at": NOON}, {"role": Role.REVIEWER}])
def test_an_invitation_that_was_made_at_that_very_moment_lets_nobody_in(
    database: Database, change: dict[str, object]
) -> None:
    """Its row is stored after the others were ended; only a look at its maker refuses it."""
    with database.writing() as session:
        eve = admin(session, "eve")
        token = invite(session, eve, Role.ANNOTATOR)
        session.execute(update(Annotator).where(Annotator.id == eve.id).values(**change))
        session.refresh(eve)

        refuse(session, token, "whoever made it may invite nobody any more")
        assert invitations.list_open(session, now=NOON) == []


def test_admins_see_what_is_open_and_end_it_once(database: Database) -> None:
    with database.writing() as session:
        ada = admin(session, "ada")
        kitchen = projects.create(session, slug="kitchen", name="Kitchen", now=NOON)
        used, without_project = invite(session, ada), invite(session, None)
        invitations.accept(session, used, name="grace", password=PASSWORD, now=NOON)
        later = NOON + timedelta(minutes=1)
        revoked = invitations.create(
            session, role=Role.ANNOTATOR, project=kitchen, by=ada, now=later
        )
        link = accounts.create_sign_in_link(session, ada, now=NOON)

        first, second = invitations.list_open(session, now=later)
        assert (first.project_name, first.role, first.invited_by) == ("Kitchen", "annotator", "ada")
        assert (second.project_name, second.role, second.invited_by) == (None, "admin", None)

        invitations.revoke(session, first.id, by=ada, now=NOON)
        with pytest.raises(NotFound, match="used or has ended already"):
            invitations.revoke(session, first.id, by=ada, now=NOON)

        refuse(session, revoked, "not known here")
        assert [row.id for row in invitations.list_open(session, now=NOON)] == [second.id]
        assert invitations.find(session, without_project, now=NOON)
        assert invitations.follow_sign_in_link(session, link, now=NOON) is ada
        assert invitations.list_open(session, now=NOON + invitations.INVITATION_LASTS) == []
