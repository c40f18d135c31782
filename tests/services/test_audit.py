"""The audit log on both databases: one chain under any load, and no change to it goes unnoticed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from helpers.data import NOON
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.errors import StorageUnavailable
from app.models.accounts import Annotator, AuditEntry, Role
from app.operators import operated_by
from app.services import audit
from app.services.audit import FIRST_PREVIOUS_HASH, Action, Verified


def write(database: Database, *subjects: str, by: Annotator | None = None) -> None:
    """One entry for each subject, each in a transaction of its own."""
    for minutes, subject in enumerate(subjects):
        now = NOON + timedelta(minutes=minutes)
        with database.writing() as session:
            audit.record(
                session, by=by, action=Action.EXPORTED, subject=subject, details={"n": 1}, now=now
            )


def verify(database: Database, expect: str | None = None) -> Verified:
    with database.reading() as session:
        return audit.verify(session, expect=expect)


def drop_triggers(database: Database) -> None:
    """What an owner of the database can do, and the triggers cannot prevent."""
    with database.connecting() as connection:
        if database.is_sqlite:
            connection.execute(text("DROP TRIGGER audit_entries_refuse_update"))
            connection.execute(text("DROP TRIGGER audit_entries_refuse_delete"))
        else:
            connection.execute(text("DROP FUNCTION refuse_audit_change() CASCADE"))


@pytest.fixture
def ada(database: Database) -> Annotator:
    person = Annotator(name="ada", role=Role.ADMIN, created_at=NOON)
    with database.writing() as session:
        session.add(person)
    return person


def test_an_empty_log_is_whole(database: Database) -> None:
    assert verify(database) == Verified(entries=0, last_hash=FIRST_PREVIOUS_HASH, problem=None)
    assert verify(database, FIRST_PREVIOUS_HASH).problem is None


def test_each_hash_covers_the_entry_and_the_hash_before(database: Database, ada: Annotator) -> None:
    write(database, "project Küche", "b", by=ada)

    with database.reading() as session:
        first, second = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    # Written out by hand from the description of the format.
    said = (
        f'["{"0" * 64}","2026-05-04T12:00:00.000000+00:00","{ada.id}","exported",'
        '"project K\\u00fcche",{"n":1}]'
    )
    assert first.hash == hashlib.sha256(said.encode()).hexdigest()
    assert second.previous_hash == first.hash
    assert verify(database) == Verified(entries=2, last_hash=second.hash, problem=None)


def test_details_are_hashed_in_the_form_in_which_they_are_stored(database: Database) -> None:
    details = {"z": (1, 2), "a": {3: 0.1}, "ü": None}
    with database.writing() as session:
        audit.record(
            session, by=None, action=Action.EXPORTED, subject="x", details=details, now=NOON
        )
    assert verify(database).problem is None


def test_several_entries_of_one_transaction_are_chained_in_their_order(database: Database) -> None:
    with database.writing() as session:
        for subject in "abc":
            audit.record(session, by=None, action=Action.EXPORTED, subject=subject, now=NOON)
    with database.reading() as session:
        assert list(session.scalars(select(AuditEntry.subject).order_by(AuditEntry.id))) == [*"abc"]
    assert verify(database).entries == 3


def test_what_is_rolled_back_leaves_no_entry(database: Database) -> None:
    with database.writing() as session:
        audit.record(session, by=None, action=Action.EXPORTED, subject="x", now=NOON)
        session.rollback()
    write(database, "after")
    assert verify(database).entries == 1


def test_the_database_refuses_to_change_or_remove_an_entry(database: Database) -> None:
    write(database, "a", "b")
    truncate = [] if database.is_sqlite else ["TRUNCATE audit_entries"]
    for verb in ("UPDATE audit_entries SET subject = 'x'", "DELETE FROM audit_entries", *truncate):
        with (
            pytest.raises((DBAPIError, StorageUnavailable), match="never changed or removed"),
            database.connecting() as connection,
        ):
            connection.execute(text(verb))
    assert verify(database).entries == 2


@pytest.mark.parametrize("clash", ["id", "previous_hash", "both"])
def test_the_database_refuses_to_put_an_entry_in_the_place_of_another(
    database: Database, clash: str
) -> None:
    write(database, "a", "b", "c")
    with database.reading() as session:
        second = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[1]
    number = second.id if clash != "previous_hash" else second.id + 1000
    hash_before = second.previous_hash if clash != "id" else "e" * 64
    row = f"({number}, '2026-05-04 12:00:00', 'exported', 'x', '{{}}', '{hash_before}', 'f')"
    columns = "(id, happened_at, action, subject, details, previous_hash, hash)"
    statements = [f"INSERT INTO audit_entries {columns} VALUES {row}"]
    if database.is_sqlite:
        verbs = ("REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE")
        statements += [statements[0].replace("INSERT", verb) for verb in verbs]
    else:
        target = "id" if clash != "previous_hash" else "previous_hash"
        statements[0] += f" ON CONFLICT ({target}) DO UPDATE SET subject = 'x'"
    for statement in statements:
        with (
            pytest.raises((DBAPIError, StorageUnavailable), match="never changed or removed"),
            database.connecting() as connection,
        ):
            connection.execute(text(statement))
    assert verify(database).entries == 3
    assert verify(database).problem is None


@pytest.mark.own_database
def test_a_changed_field_breaks_the_chain_at_its_entry(database: Database, ada: Annotator) -> None:
    write(database, "a", "b", "c", by=ada)
    drop_triggers(database)
    with database.reading() as session:
        number = session.scalar(select(AuditEntry.id).where(AuditEntry.subject == "b"))
    for field, value in {
        "happened_at": NOON + timedelta(microseconds=1),
        "annotator_id": None,
        "action": Action.SIGNED_IN,
        "subject": "B",
        "details": {"n": 2},
        "hash": "f" * 64,
        "previous_hash": "f" * 64,
    }.items():
        with database.writing() as session:
            entry = session.get_one(AuditEntry, number)
            before = getattr(entry, field)
            setattr(entry, field, value)
        found = verify(database)
        assert found.entries == 1, field
        assert found.problem is not None, field
        assert found.problem.startswith(f"Audit entry {number} "), field
        with database.writing() as session:
            setattr(session.get_one(AuditEntry, number), field, before)
        assert verify(database).problem is None


@pytest.mark.own_database
def test_a_changed_entry_whose_hash_was_made_anew_breaks_the_next(database: Database) -> None:
    write(database, "a", "b", "c")
    drop_triggers(database)
    with database.writing() as session:
        second, third = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[1:]
        second.subject = "B"
        second.hash = audit.entry_hash(second)
    found = verify(database)
    assert found.entries == 2
    assert found.problem == (
        f"Audit entry {third.id} does not follow the one before it: "
        "entries are missing or were moved."
    )


@pytest.mark.own_database
def test_a_removed_entry_is_noticed_in_the_middle_and_at_the_beginning(database: Database) -> None:
    write(database, "a", "b", "c", "d")
    drop_triggers(database)
    for subject, whole in (("c", 2), ("a", 0)):
        with database.writing() as session:
            session.execute(delete(AuditEntry).where(AuditEntry.subject == subject))
        found = verify(database)
        assert found.entries == whole
        assert found.problem is not None
        assert "entries are missing" in found.problem


@pytest.mark.own_database
def test_entries_that_changed_places_are_noticed(database: Database) -> None:
    write(database, "a", "b", "c")
    drop_triggers(database)
    with database.writing() as session:
        numbers = session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)).all()
        for old, new in ((numbers[1], 1000), (numbers[2], numbers[1]), (1000, numbers[2])):
            session.execute(update(AuditEntry).where(AuditEntry.id == old).values(id=new))
    found = verify(database)
    assert found.entries == 1
    assert found.problem is not None


@pytest.mark.own_database
def test_a_log_that_was_cut_off_is_whole_but_lacks_the_noted_hash(database: Database) -> None:
    write(database, "a", "b", "c")
    noted = verify(database).last_hash
    drop_triggers(database)
    with database.writing() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.subject == "c"))

    assert verify(database).problem is None
    found = verify(database, noted)
    assert found.entries == 2
    assert found.problem == (
        f"No audit entry has the hash {noted}: the log was cut off before it or written anew."
    )


def test_a_noted_hash_is_found_after_the_log_has_grown(database: Database) -> None:
    write(database, "a", "b")
    noted = verify(database).last_hash
    write(database, "c")
    found = verify(database, noted)
    assert found.problem is None
    assert found.last_hash != noted


def test_eight_who_write_at_once_make_one_chain(database: Database) -> None:
    def many(number: int) -> None:
        write(database, *(f"{number}-{i}" for i in range(12)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))

    assert verify(database) == Verified(
        entries=96, last_hash=verify(database).last_hash, problem=None
    )
    with database.reading() as session:
        subjects = list(session.scalars(select(AuditEntry.subject).order_by(AuditEntry.id)))
    for number in range(8):
        own = [s for s in subjects if s.startswith(f"{number}-")]
        assert own == [f"{number}-{i}" for i in range(12)]


def test_the_lock_is_not_held_while_a_transaction_works(database: Database) -> None:
    """A transaction that has written its entry down, and goes on working, holds up nobody."""
    if database.is_sqlite:
        pytest.skip("SQLite has one writer at a time anyway")
    with database.writing() as session:
        audit.record(session, by=None, action=Action.EXPORTED, subject="slow", now=NOON)
        session.flush()
        write(database, "quick")
    with database.reading() as session:
        subjects = list(session.scalars(select(AuditEntry.subject).order_by(AuditEntry.id)))
    assert subjects == ["quick", "slow"]


def test_reading_the_same_again_soon_leaves_one_entry_and_anything_else_another(
    database: Database, ada: Annotator
) -> None:
    eve = Annotator(name="eve", role=Role.REVIEWER, created_at=NOON)
    with database.writing() as session:
        session.add(eve)
    lists, one = {"list": "comparisons"}, {"annotators": ["lin", "wu"]}
    for reader, slug, details, minutes in (
        (ada, "p", lists, 0),
        (ada, "p", lists, 59),
        (ada, "p", one, 59),
        (ada, "q", lists, 59),
        (eve, "p", lists, 59),
        (ada, "p", one, 60),
        (ada, "p", lists, 60),
    ):
        now = NOON + timedelta(minutes=minutes)
        audit.record_reading(database, reader, slug, details, now=now)

    with database.reading() as session:
        found = audit.page_of(session, action=Action.JUDGMENTS_READ).rows[::-1]
    assert [(row.name, row.entry.subject, row.entry.details) for row in found] == [
        ("ada", "project p", lists),
        ("ada", "project p", one),
        ("ada", "project q", lists),
        ("eve", "project p", lists),
        ("ada", "project p", lists),
    ]


def test_what_nobody_signed_in_did_names_who_gave_the_command(
    database: Database, ada: Annotator
) -> None:
    with operated_by("root"):
        write(database, "by hand")
        write(database, "by ada", by=ada)
        with operated_by(None):
            write(database, "by a server that root started")
    write(database, "later")

    with database.reading() as session:
        rows = audit.page_of(session).rows[::-1]
    assert [row.who for row in rows] == ["root", "ada", None, None]
    assert rows[0].entry.details == {"n": 1, "operating_system_user": "root"}
    assert verify(database).problem is None


def test_pages_show_the_newest_first_and_find_actions_and_people(
    database: Database, ada: Annotator
) -> None:
    write(database, *(f"export {i}" for i in range(51)))
    with database.writing() as session:
        audit.record(
            session, by=ada, action=Action.ROLE_CHANGED, subject="person grace_1", now=NOON
        )
    with database.reading() as session:
        newest = audit.page_of(session)
        assert (newest.total, newest.pages) == (52, 2)
        assert (newest.rows[0].name, newest.rows[0].entry.subject) == ("ada", "person grace_1")
        assert audit.page_of(session, page=2).rows[-1].entry.subject == "export 0"
        assert audit.page_of(session, action=Action.ROLE_CHANGED).total == 1
        for name, total in (("ADA", 1), ("grace_", 1), ("grace%", 0), ("export 5", 2)):
            assert audit.page_of(session, name=name).total == total
        assert session.scalar(select(func.count(AuditEntry.id))) == 52
