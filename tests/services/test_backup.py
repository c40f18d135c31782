"""Backups are whole, readable and complete, and a restore replaces everything or nothing."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.data import NOON, add_annotator, import_plain, lease, make_project, pair, submit
from helpers.postgres import find_binaries
from sqlalchemy import inspect, select, text

from app import migrate, revisions
from app.db import Database
from app.errors import Conflict, InvalidInput, PrefloopError, StorageUnavailable
from app.models.projects import Project
from app.models.tables import metadata
from app.operators import operated_by
from app.services import audit, backup, backup_sqlite
from app.services.backup_postgres import PostgresPrograms

pytestmark = pytest.mark.own_database
PROGRAMS = PostgresPrograms(find_binaries())


def judge(database: Database, annotator_name: str, *, comparisons: int) -> None:
    annotator = add_annotator(database, annotator_name)
    for _ in range(comparisons):
        view = lease(database, annotator)
        assert view is not None
        submit(database, annotator, view)


def rows_of(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Everything that is stored, table by table."""
    with database.reading() as session:
        return {
            table.name: sorted(map(tuple, session.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def without_log(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """A restore goes on with the log of the backup."""
    return {table: found for table, found in rows.items() if table != "audit_entries"}


@pytest.fixture
def elsewhere(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Database]:
    """An empty database of the same kind, without tables."""
    if database.is_sqlite:
        found = Database(f"sqlite:///{tmp_path}/elsewhere.db")
        yield found
        found.dispose()
        return
    server = request.getfixturevalue("postgres_server")
    found = Database(server.create_database("elsewhere"))
    yield found
    found.dispose()
    server.drop_database("elsewhere")


@pytest.fixture
def filled(database: Database) -> Database:
    make_project(database, pairs=4, overlap=2)
    judge(database, "ada", comparisons=3)
    with database.writing() as session:
        audit.record(session, by=None, action=audit.Action.EXPORTED, subject="p", now=NOON)
    return database


def test_a_backup_restored_elsewhere_holds_every_row(filled, elsewhere, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    revision = backup.revision_of(elsewhere, tmp_path / "b", PROGRAMS)
    backup.restore(elsewhere, tmp_path / "b", PROGRAMS, now=NOON)

    assert revision == revisions.expected()
    assert without_log(rows_of(elsewhere)) == without_log(rows_of(filled))
    assert backup.contents(elsewhere) == backup.Contents(projects=1, comparisons=4, judgments=3)
    with elsewhere.reading() as session:
        verified = audit.verify(session)
    assert (verified.entries > 0, verified.problem) == (True, None)


def test_a_restored_database_is_worked_on_like_any_other(filled, elsewhere, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    backup.restore(elsewhere, tmp_path / "b", PROGRAMS, now=NOON)

    judge(elsewhere, "lin", comparisons=2)
    assert backup.contents(elsewhere) == backup.Contents(projects=1, comparisons=4, judgments=5)
    with pytest.raises(Exception, match="never changed"), elsewhere.writing() as session:
        session.execute(text("DELETE FROM audit_entries"))


def test_a_restore_replaces_what_came_after_the_backup(filled, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    then = rows_of(filled)
    judge(filled, "lin", comparisons=2)
    import_plain(filled, [pair(9)])

    backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)

    assert without_log(rows_of(filled)) == without_log(then)


def test_the_log_says_that_a_backup_was_made_and_what_a_restore_replaced(filled, tmp_path):
    with operated_by("root"):
        backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    with filled.reading() as session:
        backed_up = audit.verify(session)
    judge(filled, "lin", comparisons=1)
    with filled.writing() as session:
        audit.record(session, by=None, action=audit.Action.EXPORTED, subject="p", now=NOON)
    with filled.reading() as session:
        replaced = audit.verify(session)

    with operated_by("root"):
        backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)

    with filled.reading() as session:
        found = audit.verify(session, expect=backed_up.last_hash)
        restored, started = [row.entry for row in audit.page_of(session).rows[:2]]
    assert found.problem is None
    assert found.entries == backed_up.entries + 1
    assert (started.action, started.subject) == ("backup started", "file b")
    assert started.details == {"operating_system_user": "root"}
    assert (restored.action, restored.subject) == ("database restored", "file b")
    assert restored.details == {
        "operating_system_user": "root",
        "replaced_log_ended_with": replaced.last_hash,
    }


def test_a_restore_into_an_empty_database_replaced_no_log(filled, elsewhere, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    backup.restore(elsewhere, tmp_path / "b", PROGRAMS, now=NOON)

    with elsewhere.reading() as session:
        newest = audit.page_of(session).rows[0].entry
    assert newest.details == {"replaced_log_ended_with": None}


def test_an_older_backup_is_brought_to_this_version(filled, elsewhere, tmp_path):
    migrate.downgrade(filled, "0002")
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    migrate.upgrade(elsewhere)

    assert backup.revision_of(elsewhere, tmp_path / "b", PROGRAMS) == "0002"
    backup.restore(elsewhere, tmp_path / "b", PROGRAMS, now=NOON)

    assert revisions.current(elsewhere) == revisions.expected()
    assert backup.contents(elsewhere) == backup.Contents(projects=1, comparisons=4, judgments=3)


def test_a_backup_is_for_its_owner_only_and_leaves_nothing_beside_it(filled, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    backup.back_up(filled, folder / "b", PROGRAMS, now=NOON)

    assert [path.name for path in folder.iterdir()] == ["b"]
    assert stat.S_IMODE((folder / "b").stat().st_mode) == 0o600


def test_a_file_is_not_overwritten(filled, tmp_path):
    (tmp_path / "b").write_text("precious")

    with pytest.raises(InvalidInput, match="exists already and is not overwritten"):
        backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    assert (tmp_path / "b").read_text() == "precious"


def test_a_database_without_tables_is_not_backed_up(elsewhere, tmp_path):
    with pytest.raises(PrefloopError, match=r"has no tables|is not there"):
        backup.back_up(elsewhere, tmp_path / "b", PROGRAMS, now=NOON)
    assert not (tmp_path / "b").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def make_noise(path: Path) -> None:
    path.write_text("id,verdict\n1,A\n")


@pytest.mark.parametrize("spoil", [cut, make_noise, Path.unlink])
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    filled: Database, tmp_path: Path, spoil: Callable[[Path], None]
):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    spoil(tmp_path / "b")

    with pytest.raises(InvalidInput, match=r"/b "):
        backup.revision_of(filled, tmp_path / "b", PROGRAMS)


def test_a_backup_of_a_later_version_is_refused(filled, tmp_path):
    with filled.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)

    with pytest.raises(InvalidInput, match="revision 9999, which this version does not know"):
        backup.revision_of(filled, tmp_path / "b", PROGRAMS)
    with pytest.raises(Conflict, match="cannot be replaced safely"):
        backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)


def test_a_restore_that_fails_leaves_everything_as_it_was(filled, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    judge(filled, "lin", comparisons=1)
    before = rows_of(filled)
    cut(tmp_path / "b")

    with pytest.raises(StorageUnavailable):
        backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)
    assert rows_of(filled) == before


def test_a_backup_of_the_other_kind_is_refused(filled, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(b"PGDMP123456789012" if filled.is_sqlite else b"SQLite format 3\0")

    with pytest.raises(InvalidInput, match=r"is a backup of .*, and PREFLOOP_DATABASE_URL names"):
        backup.revision_of(filled, path, PROGRAMS)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_sqlite_file_in_use_is_not_replaced(filled, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    server = Database(filled.url.render_as_string())
    with server.reading() as session:
        session.scalar(select(Project))

    with pytest.raises(Conflict, match="in use; stop the server"):
        backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)
    server.dispose()
    backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_sqlite_backup_ends_although_others_write_all_the_time(filled, tmp_path, monkeypatch):
    # So that many commits fall between the pages.
    monkeypatch.setattr(backup_sqlite, "PAGES_AT_ONCE", 1)
    copying = threading.Thread(
        target=backup.back_up,
        args=[filled, tmp_path / "b", PROGRAMS],
        kwargs={"now": NOON},
        daemon=True,
    )
    copying.start()
    deadline = time.monotonic() + 30
    written = 0
    while copying.is_alive() and time.monotonic() < deadline:
        written += 1
        add_annotator(filled, f"annotator {written}")

    assert not copying.is_alive()
    assert written > 0
    copy = Database(f"sqlite:///{tmp_path}/b")
    assert backup.contents(copy) == backup.contents(filled)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_other_tables_of_a_postgresql_database_stay(filled, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    with filled.writing() as session:
        session.execute(text("CREATE TABLE theirs (id int)"))

    backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)

    assert "theirs" in inspect(filled.engine).get_table_names()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_table_of_the_same_name_in_another_schema_keeps_its_triggers(filled, tmp_path):
    backup.back_up(filled, tmp_path / "b", PROGRAMS, now=NOON)
    with filled.connecting() as connection:
        connection.exec_driver_sql(
            "CREATE SCHEMA other; CREATE TABLE other.projects (id int);"
            "CREATE FUNCTION other.note() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN NEW.id = 7; RETURN NEW; END $$;"
            "CREATE TRIGGER noting BEFORE INSERT ON other.projects"
            " FOR EACH ROW EXECUTE FUNCTION other.note()"
        )

    backup.restore(filled, tmp_path / "b", PROGRAMS, now=NOON)

    with filled.connecting() as connection:
        connection.exec_driver_sql("INSERT INTO other.projects VALUES (1)")
        assert connection.exec_driver_sql("SELECT id FROM other.projects").scalar() == 7


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_missing_programs_are_named(filled, tmp_path):
    with pytest.raises(InvalidInput, match=r"pg_dump is not in .*PG_BIN"):
        backup.back_up(filled, tmp_path / "b", PostgresPrograms(tmp_path), now=NOON)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_password_is_not_on_the_command_line(filled, tmp_path):
    url = filled.url.set(password="sesame").render_as_string(hide_password=False)
    spy = tmp_path / "pg_dump"
    spy.write_text(f'#!/bin/sh\necho "$PGPASSWORD/$@" > {tmp_path}/seen\necho no >&2; exit 1\n')
    spy.chmod(0o755)

    with pytest.raises(StorageUnavailable, match=r"pg_dump said: no\."):
        backup.back_up(Database(url), tmp_path / "b", PostgresPrograms(tmp_path), now=NOON)

    password, _, arguments = (tmp_path / "seen").read_text().partition("/")
    assert password == "sesame"
    assert "--format=custom" in arguments
    assert "sesame" not in arguments
    assert not (tmp_path / "b").exists()


def test_a_folder_that_cannot_be_written_is_said(filled, tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written"):
        backup.back_up(filled, tmp_path / "none" / "b", PROGRAMS, now=NOON)
    assert os.listdir(tmp_path) != ["none"]
