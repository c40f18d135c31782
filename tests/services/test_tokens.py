from datetime import timedelta
from uuid import uuid4

import pytest
from helpers.data import NOON
from sqlalchemy import select, update

from app.errors import Conflict, InvalidInput, NotFound, SignInRequired
from app.models.accounts import Annotator, ApiToken, Role
from app.services import accounts, audit, tokens

LATER = NOON + timedelta(hours=1)


def person(database, name="ada", role=Role.ANNOTATOR) -> Annotator:
    with database.writing() as session:
        return accounts.create_person(session, name=name, password=None, role=role, now=NOON)


def create(database, owner, *, scopes=("annotate",), days=30, label="script"):
    with database.writing() as session:
        return tokens.create(
            session, owner, scopes=scopes, days=days, label=label, by=owner, now=NOON
        )


def test_a_token_says_whose_request_it_is_and_is_stored_only_as_a_hash(database):
    made = create(database, person(database), scopes=("read", "annotate"))

    bearer = tokens.authenticate(database, made.text, now=LATER)

    assert (bearer.annotator.name, bearer.scopes) == ("ada", {"annotate", "read"})
    assert made.text.startswith("prefloop_")
    with database.reading() as session:
        stored = session.execute(select(ApiToken.__table__)).mappings().one()
    assert made.text not in str(dict(stored))
    assert made.text.removeprefix("prefloop_") not in str(dict(stored))


def test_two_tokens_are_never_equal(database):
    owner = person(database)

    assert create(database, owner).text != create(database, owner).text


def test_a_token_ends_when_it_says(database):
    made = create(database, person(database), days=30)

    assert tokens.authenticate(database, made.text, now=NOON + timedelta(days=29.99))
    for days in (30, 400):
        with pytest.raises(SignInRequired, match="unknown, expired or revoked"):
            tokens.authenticate(database, made.text, now=NOON + timedelta(days=days))


def test_a_revoked_token_and_one_of_a_disabled_owner_are_dead_at_once(database):
    ada, eve = person(database), person(database, "eve")
    of_ada, of_eve = create(database, ada), create(database, eve)
    with database.writing() as session:
        tokens.revoke(session, of_ada.row.id, by=ada, now=NOON)
        session.execute(update(Annotator).where(Annotator.id == eve.id).values(disabled_at=NOON))

    for made in (of_ada, of_eve):
        with pytest.raises(SignInRequired):
            tokens.authenticate(database, made.text, now=NOON)


def test_what_is_no_token_lets_nobody_in(database):
    create(database, person(database))

    for text in ("", "prefloop_", "prefloop_" + "A" * 43, "\x00", "ü"):
        with pytest.raises(SignInRequired):
            tokens.authenticate(database, text, now=NOON)


@pytest.mark.parametrize(
    ("made_as", "now_is", "acts_as"),
    [
        (Role.ANNOTATOR, Role.ADMIN, Role.ANNOTATOR),
        (Role.REVIEWER, Role.ADMIN, Role.REVIEWER),
        (Role.ADMIN, Role.REVIEWER, Role.REVIEWER),
        (Role.ADMIN, Role.ADMIN, Role.ADMIN),
    ],
)
def test_a_token_acts_in_the_lower_of_its_owners_roles_then_and_now(
    database, made_as, now_is, acts_as
):
    owner = person(database, role=made_as)
    made = create(database, owner, scopes=["read"])
    with database.writing() as session:
        session.execute(update(Annotator).where(Annotator.id == owner.id).values(role=now_is))

    assert tokens.authenticate(database, made.text, now=LATER).annotator.role == acts_as
    with database.reading() as session:
        assert session.get_one(Annotator, owner.id).role == now_is


def test_the_time_of_use_is_written_at_most_once_a_minute(database):
    made = create(database, person(database))

    def last_use() -> object:
        with database.reading() as session:
            return session.scalar(select(ApiToken.last_used_at))

    seen = []
    for seconds in (0, 1, 59, 60, 61):
        now = NOON + timedelta(seconds=seconds)
        bearer = tokens.authenticate(database, made.text, now=now)
        if bearer.used_long_ago(now):
            tokens.note_use(database, bearer, now=now)
        seen.append(last_use())

    minute_later = NOON + timedelta(seconds=60)
    assert seen == [NOON, NOON, NOON, minute_later, minute_later]


def test_only_the_owner_may_revoke_and_a_stranger_learns_nothing(database):
    ada, eve = person(database), person(database, "eve")
    made = create(database, ada)
    with database.writing() as session:
        with pytest.raises(NotFound) as hidden:
            tokens.revoke(session, made.row.id, by=eve, now=NOON)
        unknown = uuid4()
        with pytest.raises(NotFound) as missing:
            tokens.revoke(session, unknown, by=eve, now=NOON)

    assert str(hidden.value).replace(str(made.row.id), str(unknown)) == str(missing.value)
    assert tokens.authenticate(database, made.text, now=NOON)


def test_revoking_twice_keeps_the_first_time(database):
    made = create(database, person(database))
    for now in (NOON, LATER):
        with database.writing() as session:
            row = tokens.revoke(session, made.row.id, by=None, now=now)

    assert row.revoked_at == NOON
    assert tokens.state(row, now=NOON) == "revoked"


def test_making_and_revoking_are_written_down_without_the_token(database):
    ada = person(database)
    made = create(database, ada, scopes=["read"])
    for _ in range(2):
        with database.writing() as session:
            tokens.revoke(session, made.row.id, by=None, now=LATER)

    with database.reading() as session:
        entries = [row.entry for row in audit.page_of(session, name="person ada").rows][:2]
    assert [(entry.action, entry.annotator_id) for entry in entries] == [
        ("token revoked", None),
        ("token made", ada.id),
    ]
    assert entries[1].details == {"token": str(made.row.id), "scopes": ["read"], "days": 30}
    assert made.text not in str([entry.details for entry in entries])


REFUSED = [
    ({"scopes": []}, "has no scope; choose from annotate"),
    ({"scopes": ["root"]}, "'root' is unknown"),
    ({"scopes": ["export"]}, "export needs the role admin; ada is annotator"),
    ({"days": 0}, "would last 0 days; choose 1 to 366"),
    ({"days": 10**30}, "choose 1 to 366"),
    ({"label": "  "}, "The label has 0 characters"),
    ({"label": "x" * 201}, "The label has 201 characters"),
]


def test_a_token_that_cannot_be_made_is_refused_with_the_reason(database):
    owner = person(database)
    for fields, sentence in REFUSED:
        with pytest.raises(InvalidInput, match=sentence):
            create(database, owner, **fields)


def test_one_person_has_a_limited_number_of_live_tokens(database, monkeypatch):
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    owner = person(database)
    first = create(database, owner)
    create(database, owner)
    with pytest.raises(Conflict, match="revoke some first"):
        create(database, owner)

    with database.writing() as session:
        tokens.revoke(session, first.row.id, by=owner, now=NOON)

    assert create(database, owner)


def test_the_owner_sees_all_own_tokens_and_nobody_elses(database):
    ada, eve = person(database), person(database, "eve")
    made = [create(database, ada, label=label) for label in ("one", "two")]
    create(database, eve)
    with database.writing() as session:
        session.execute(
            update(ApiToken).where(ApiToken.id == made[0].row.id).values(expires_at=NOON)
        )

    with database.reading() as session:
        found = tokens.list_for(session, ada)
        every = tokens.list_all(session)

    assert {row.label: tokens.state(row, now=NOON) for row in found} == {
        "one": "expired",
        "two": "live",
    }
    assert sorted(name for _, name in every) == ["ada", "ada", "eve"]
