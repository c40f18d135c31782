"""What admins do with people, on both databases; and that somebody can always let others in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from helpers.data import NOON
from sqlalchemy import select

from app.db import Database
from app.errors import Conflict, NotFound, SignInRequired
from app.models.accounts import Annotator, AuditEntry, Role
from app.services import accounts, audit, memberships, people, projects
from app.services.audit import Action


def add(database: Database, name: str, role: Role = Role.ADMIN) -> Annotator:
    with database.writing() as session:
        return accounts.create_person(session, name=name, password=None, role=role, now=NOON)


def admins(database: Database) -> list[str]:
    with database.reading() as session:
        return [
            person.name
            for person in accounts.list_people(session)
            if person.role == Role.ADMIN and person.disabled_at is None
        ]


def test_a_new_role_ends_the_sessions_of_the_old(database: Database) -> None:
    ada, grace = add(database, "ada"), add(database, "grace", Role.ANNOTATOR)
    with database.writing() as session:
        token = accounts.start_session(session, grace, session_hours=1, now=NOON)
        assert len(accounts.list_sessions(session, grace, this_token=token, now=NOON)) == 1
        people.set_role(session, people.get(session, grace.id), Role.REVIEWER, by=ada, now=NOON)
    assert accounts.find_session(database, token, now=NOON) is None
    with database.reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == Action.ROLE_CHANGED)
        ).one()
    assert (entry.annotator_id, entry.subject) == (ada.id, "person grace")
    assert entry.details == {"from": "annotator", "to": "reviewer"}


def test_admins_who_demote_each_other_at_once_leave_one(database: Database) -> None:
    names = [f"admin {n}" for n in range(6)]
    ids = [add(database, name).id for name in names]

    def demote_the_next(number: int) -> bool:
        with database.writing() as session:
            by = people.get(session, ids[number])
            victim = people.get(session, ids[(number + 1) % len(ids)])
            if number % 2:
                people.disable(session, victim, by=by, now=NOON)
            else:
                people.set_role(session, victim, Role.ANNOTATOR, by=by, now=NOON)
        return True

    def outcome(number: int) -> str:
        try:
            demote_the_next(number)
        except Conflict as refused:
            return str(refused)
        return "done"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(outcome, range(6)))

    (left,) = admins(database)
    assert sorted(outcomes) == sorted(
        ["done"] * 5
        + [f"{left} is the last admin who can sign in; make somebody else admin first."]
    )


def test_a_disabled_admin_does_not_count_as_one(database: Database) -> None:
    ada, eve = add(database, "ada"), add(database, "eve")
    with database.writing() as session:
        people.disable(session, people.get(session, eve.id), by=ada, now=NOON)
    with (
        pytest.raises(Conflict, match="ada is the last admin"),
        database.writing() as session,
    ):
        people.set_role(session, people.get(session, ada.id), Role.REVIEWER, by=ada, now=NOON)
    with database.writing() as session:
        people.enable(session, people.get(session, eve.id), by=ada, now=NOON)
        people.set_role(session, people.get(session, ada.id), Role.REVIEWER, by=eve, now=NOON)
    assert admins(database) == ["eve"]


def test_only_people_are_found(database: Database) -> None:
    with database.writing() as session:
        robot = Annotator(name="robot", kind="model", created_at=NOON)
        session.add(robot)
    with database.reading() as session:
        for unknown in (robot.id, uuid4()):
            with pytest.raises(NotFound, match="There is no person"):
                people.get(session, unknown)
        assert people.page_of(session, name="robot").total == 0


def test_a_password_that_changes_meanwhile_is_not_overwritten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = add(database, "ada")
    monkeypatch.setattr(accounts, "hash_password", lambda password: f"hash of {password}")

    def somebody_is_quicker(_hash: str, _password: str) -> bool:
        with database.writing() as session:
            accounts.find_person(session, "ada").password_hash = "hash of another"
        return True

    with database.writing() as session:
        accounts.find_person(session, "ada").password_hash = "hash of the first"
    monkeypatch.setattr(accounts, "password_matches", somebody_is_quicker)
    with pytest.raises(Conflict, match="changed elsewhere at this moment"):
        accounts.change_password(database, ada, "x", "a new one", session_hours=1, now=NOON)
    with database.reading() as session:
        assert accounts.find_person(session, "ada").password_hash == "hash of another"
        assert Action.PASSWORD_CHANGED not in set(session.scalars(select(AuditEntry.action)))


def test_failed_and_successful_sign_ins_are_written_down_without_what_was_typed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "password_matches", lambda stored, given: stored == given)
    with database.writing() as session:
        accounts.create_person(session, name="ada", password=None, role=Role.ADMIN, now=NOON)
        accounts.find_person(session, "ada").password_hash = "right"
    for name in ("ada", "my password"):
        with pytest.raises(SignInRequired):
            accounts.sign_in(database, name, "wrong", session_hours=1, now=NOON)
    accounts.sign_in(database, "ada", "right", session_hours=1, now=NOON)
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[1:]
        assert audit.verify(session).problem is None
    assert [(e.action, e.subject, e.annotator_id is None) for e in entries] == [
        (Action.SIGN_IN_REFUSED, "person ada", True),
        (Action.SIGN_IN_REFUSED, "unknown person", True),
        (Action.SIGNED_IN, "person ada", False),
    ]


def test_members_keep_their_groups_when_they_are_added_again(database: Database) -> None:
    ada = add(database, "ada")
    with database.writing() as session:
        project = projects.create(session, slug="p", now=NOON)
        memberships.add(session, project, ada, groups=["law", " law ", "art"], by=ada, now=NOON)
        memberships.add(session, project, ada, by=ada, now=NOON + timedelta(days=1))
        (row,) = memberships.list_for(session, ada)
        assert (row.groups, row.joined_at) == (["art", "law"], NOON)
        memberships.set_groups(session, project, ada, ["art", "law"], by=ada, now=NOON)
        memberships.remove(session, project, ada, by=ada, now=NOON)
        with pytest.raises(NotFound, match="ada is no member of p"):
            memberships.set_groups(session, project, ada, [], by=ada, now=NOON)
    with database.reading() as session:
        done = [row.entry.action for row in audit.page_of(session).rows]
    assert done[:3] == [Action.MEMBER_REMOVED, Action.MEMBER_ADDED, Action.PROJECT_CREATED]
