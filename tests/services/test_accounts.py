from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from helpers.databases import make_database
from pwdlib import PasswordHash
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import Conflict, Forbidden, InvalidInput, NotFound, SignInRequired
from app.models.accounts import (
    Annotator,
    AnnotatorKind,
    Invitation,
    Membership,
    Role,
    SignInSession,
)
from app.services import accounts, invitations, people, projects

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = make_database(tmp_path / "accounts.db")
    yield database
    database.dispose()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.writing() as session:
        yield session


def person(session: Session, name: str = "ada", password: str | None = PASSWORD) -> Annotator:
    return accounts.create_person(
        session, name=name, password=password, role=Role.ANNOTATOR, now=NOON
    )


def sign_in(database: Database, name: str, password: str, now: datetime = NOON) -> str:
    return accounts.sign_in(database, name, password, session_hours=12, now=now)


def test_nobody_exists_in_a_new_database(session: Session) -> None:
    assert accounts.list_people(session) == []


def test_only_hashes_of_passwords_and_tokens_are_stored(database: Database) -> None:
    with database.writing() as session:
        ada = person(session)
        link = accounts.create_sign_in_link(session, ada, now=NOON)
    token = sign_in(database, "ada", PASSWORD)

    with database.reading() as session:
        stored = session.scalars(select(Annotator)).one()
        hashes = [
            *session.scalars(select(SignInSession.token_hash)),
            *session.scalars(select(Invitation.token_hash)),
        ]
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$")
    assert len(hashes) == 2
    assert not {token, link} & set(hashes)


def test_a_short_password_is_refused_with_its_length(session: Session) -> None:
    with pytest.raises(InvalidInput, match="has 9 characters; choose one of at least 10"):
        person(session, password="123456789")


def test_a_name_can_be_taken_once(session: Session) -> None:
    person(session)
    with pytest.raises(Conflict, match="ada is taken"):
        person(session, name=" ada ")


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong password"), ("nobody", PASSWORD), ("robot", PASSWORD)]
)
def test_every_failed_sign_in_says_the_same(database: Database, name: str, password: str) -> None:
    with database.writing() as session:
        person(session)
        session.add(Annotator(name="robot", kind=AnnotatorKind.SIMULATED, created_at=NOON))
    with pytest.raises(SignInRequired, match=r"^Name or password is wrong\.$"):
        sign_in(database, name, password)


def test_a_session_ends_after_its_hours(database: Database) -> None:
    with database.writing() as session:
        person(session)
    token = sign_in(database, "ada", PASSWORD)

    last_moment = NOON + timedelta(hours=12) - timedelta(seconds=1)
    found = accounts.find_session(database, token, now=last_moment)
    assert found is not None
    assert found.annotator.name == "ada"
    assert accounts.find_session(database, token, now=NOON + timedelta(hours=12)) is None
    assert accounts.find_session(database, token + "x", now=NOON) is None


def test_signing_out_ends_that_session_only(database: Database) -> None:
    with database.writing() as session:
        person(session)
    here, there = sign_in(database, "ada", PASSWORD), sign_in(database, "ada", PASSWORD)

    with database.writing() as session:
        accounts.sign_out(session, here)

    assert accounts.find_session(database, here, now=NOON) is None
    assert accounts.find_session(database, there, now=NOON) is not None


def test_a_disabled_person_is_out_at_once_and_cannot_come_back(database: Database) -> None:
    with database.writing() as session:
        link = accounts.create_sign_in_link(session, person(session), now=NOON)
    token = sign_in(database, "ada", PASSWORD)

    with database.writing() as session:
        people.disable(session, accounts.find_person(session, "ada"), now=NOON)

    assert accounts.find_session(database, token, now=NOON) is None
    with database.writing() as session:
        with pytest.raises(NotFound, match="not known here"):
            invitations.follow_sign_in_link(session, link, now=NOON)
        late = accounts.create_sign_in_link(session, accounts.find_person(session, "ada"), now=NOON)
        with pytest.raises(Forbidden, match="ada is disabled"):
            invitations.follow_sign_in_link(session, late, now=NOON)
    with pytest.raises(SignInRequired):
        sign_in(database, "ada", PASSWORD)


def test_a_new_password_replaces_the_old_one_and_ends_sessions(database: Database) -> None:
    with database.writing() as session:
        person(session)
    token = sign_in(database, "ada", PASSWORD)

    with database.writing() as session:
        accounts.reset_password(session, "ada", "another good password", now=NOON)

    assert accounts.find_session(database, token, now=NOON) is None
    with pytest.raises(SignInRequired):
        sign_in(database, "ada", PASSWORD)
    assert sign_in(database, "ada", "another good password")


def test_sessions_that_have_ended_are_cleared_at_the_next_sign_in(database: Database) -> None:
    with database.writing() as session:
        person(session)
    sign_in(database, "ada", PASSWORD)
    sign_in(database, "ada", PASSWORD, now=NOON + timedelta(days=2))

    with database.reading() as session:
        assert len(session.scalars(select(SignInSession)).all()) == 1


def test_an_invitation_makes_a_member_with_its_role_once(session: Session) -> None:
    project = projects.create(session, slug="kitchen", now=NOON)
    token = invitations.create(session, role=Role.REVIEWER, project=project, by=None, now=NOON)
    assert invitations.find(session, token, now=NOON).project_name == "kitchen"

    ada = invitations.accept(session, token, name="ada", password=PASSWORD, now=NOON)

    assert ada.role == Role.REVIEWER
    assert session.get(Membership, (project.id, ada.id)) is not None
    with pytest.raises(NotFound, match="has been used"):
        invitations.accept(session, token, name="eve", password=PASSWORD, now=NOON)


def test_an_invitation_expires_after_a_week(session: Session) -> None:
    token = invitations.create(session, role=Role.ANNOTATOR, project=None, by=None, now=NOON)
    with pytest.raises(NotFound, match="expired on 2026-03-09 12:00 UTC"):
        invitations.find(session, token, now=NOON + timedelta(days=7))


def test_a_refused_password_leaves_the_invitation_usable(database: Database) -> None:
    with database.writing() as session:
        token = invitations.create(session, role=Role.ANNOTATOR, project=None, by=None, now=NOON)
    with pytest.raises(InvalidInput), database.writing() as session:
        invitations.accept(session, token, name="ada", password="short", now=NOON)
    with database.writing() as session:
        assert invitations.accept(session, token, name="ada", password=PASSWORD, now=NOON)


def test_a_sign_in_link_works_once_for_an_hour_and_makes_nobody(session: Session) -> None:
    ada = person(session, password=None)
    token = accounts.create_sign_in_link(session, ada, now=NOON)
    late = accounts.create_sign_in_link(session, ada, now=NOON)

    with pytest.raises(Conflict, match="signs in an existing person"):
        invitations.accept(session, token, name="eve", password=PASSWORD, now=NOON)
    assert invitations.follow_sign_in_link(session, token, now=NOON) is ada
    with pytest.raises(NotFound, match="has been used"):
        invitations.follow_sign_in_link(session, token, now=NOON)
    with pytest.raises(NotFound, match="expired"):
        invitations.follow_sign_in_link(session, late, now=NOON + timedelta(hours=1))


def test_a_password_costs_who_guesses_it_what_rfc_9106_recommends(
    product_passwords: PasswordHash,
) -> None:
    # Its second choice, for machines with less memory: 64 MiB, three passes, four lanes.
    assert product_passwords.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
