"""Statements that go to the database's driver by the short way say what SQLAlchemy says."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, func, insert, select, text, update

from app import migrate
from app.db import Database
from app.errors import StorageUnavailable
from app.models.accounts import Annotator
from app.models.projects import Project
from app.prepared import Asked, run, run_all

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ADD_PROJECT = insert(Project)
BY_SLUG = select(*Project.__table__.c).where(Project.slug == bindparam("slug"))
RENAME = (
    update(Project).where(Project.id == bindparam("project")).values(name=bindparam("new_name"))
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        server, url = None, f"sqlite:///{tmp_path}/prefloop.db"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.create_database("prepared")
    found = Database(url)
    migrate.upgrade(found)
    yield found
    found.dispose()
    if server is not None:
        server.drop_database("prepared")


def add_project(database: Database, slug: str = "p") -> UUID:
    key = uuid4()
    with database.writing() as session:
        run(
            session,
            ADD_PROJECT,
            id=key,
            slug=slug,
            name="Ünïcode 🙂",
            question="?",
            overlap=3,
            settings={"queue": {"gold_share": 0.1}, "list": [1, None]},
            created_at=NOON,
        )
    return key


def test_what_went_in_comes_out_as_sqlalchemy_gives_it(database):
    key = add_project(database)

    with database.reading() as session:
        row = run(session, BY_SLUG, slug="p").one()
        usual = session.scalars(select(Project)).one()

    names = Project.__table__.c.keys()
    assert [getattr(row, name) for name in names] == [getattr(usual, name) for name in names]
    assert (row.id, row.created_at, row.settings["list"]) == (key, NOON, [1, None])


def test_changes_are_part_of_the_transaction_and_can_be_undone(database):
    key = add_project(database)

    with database.writing() as session:
        run(session, RENAME, project=key, new_name="other")
        assert run(session, BY_SLUG, slug="p").one().name == "other"
        session.rollback()

    with database.reading() as session:
        assert run(session, BY_SLUG, slug="p").one().name == "Ünïcode 🙂"


def test_a_statement_runs_again_after_others_ran_the_usual_way_and_were_undone(database):
    key = add_project(database)
    for _ in range(3):
        with database.writing() as session:
            run(session, RENAME, project=key, new_name="other")
            for _ in range(8):
                session.execute(select(Project.slug))
            session.rollback()
    with database.writing() as session:
        assert run(session, BY_SLUG, slug="p").one().name == "Ünïcode 🙂"


def test_an_answer_without_rows_says_so(database):
    with database.reading() as session:
        found = run(session, BY_SLUG, slug="missing")
        assert (found.first(), found.one_or_none(), found.all()) == (None, None, [])
        count = select(func.count()).select_from(Project)
        assert run(session, count).scalar_one() == 0


def test_a_value_that_is_missing_is_an_error_and_not_a_null(database):
    with (
        database.reading() as session,
        pytest.raises(TypeError, match="needs values for slug"),
    ):
        run(session, BY_SLUG, slugs="p")


def test_a_list_of_values_and_a_default_of_python_go_the_usual_way(database):
    add_project(database, "a")
    add_project(database, "b")
    some = select(Project.slug).where(Project.slug.in_(bindparam("slugs", expanding=True)))
    with database.writing() as session:
        assert sorted(row.slug for row in run(session, some, slugs=["a", "b", "c"])) == ["a", "b"]
        run(session, insert(Annotator), name="Ada", created_at=NOON)
        assert session.scalars(select(Annotator)).one().role == "annotator"


def test_an_error_is_the_one_that_sqlalchemy_raises(database):
    add_project(database)
    with pytest.raises(StorageUnavailable, match=r"UNIQUE constraint failed|duplicate key"):
        add_project(database)
    # The transaction is over, and the connection serves the next one.
    add_project(database, "another")
    with database.reading() as session:
        assert len(session.scalars(select(Project)).all()) == 2


def test_statements_that_are_asked_together_see_each_other_and_answer_in_their_order(database):
    key, other = add_project(database), uuid4()
    count = select(func.count().label("n")).select_from(Project)
    row = {"slug": "q", "name": "Q", "question": "?", "overlap": 1, "settings": {}}
    with database.writing() as session:
        before, stored, changed, after, found = run_all(
            session,
            Asked(count, {}),
            Asked(ADD_PROJECT, {"id": other, **row, "created_at": NOON}),
            Asked(RENAME, {"project": key, "new_name": "New"}),
            Asked(count, {}),
            Asked(BY_SLUG, {"slug": "p"}),
        )
    assert (before.one().n, list(stored), list(changed), after.one().n) == (1, [], [], 2)
    assert (found.one().id, found.one().name) == (key, "New")


def test_of_statements_that_are_asked_together_all_or_none_are_stored(database):
    key = add_project(database)
    row = {"slug": "p", "name": "Q", "question": "?", "overlap": 1, "settings": {}}
    with (
        pytest.raises(StorageUnavailable, match=r"UNIQUE constraint failed|duplicate key"),
        database.writing() as session,
    ):
        run_all(
            session,
            Asked(RENAME, {"project": key, "new_name": "New"}),
            Asked(ADD_PROJECT, {"id": uuid4(), **row, "created_at": NOON}),
            Asked(RENAME, {"project": key, "new_name": "Newer"}),
        )
    add_project(database, "another")
    assert database.look_up(BY_SLUG, slug="p").name == "Ünïcode 🙂"


def test_what_every_request_asks_is_answered_without_a_transaction(database):
    key = add_project(database)
    found = database.look_up(BY_SLUG, slug="p")
    assert (found.id, found.settings["list"]) == (key, [1, None])
    assert database.look_up(BY_SLUG, slug="missing") is None
    add_project(database, "written afterwards on the same connection")


def test_a_connection_that_the_server_closed_is_replaced_after_a_pause(database, monkeypatch):
    if database.is_sqlite:
        pytest.skip("SQLite has no server")
    monkeypatch.setattr("app.db.PING_AFTER_SECONDS", 0.0)
    key = add_project(database)
    other = Database(database.url.render_as_string(hide_password=False))
    with other.writing() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()
    assert database.look_up(BY_SLUG, slug="p").id == key
