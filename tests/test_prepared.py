"""Statements that go to SQLite's driver by the short way say what SQLAlchemy says."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, func, insert, select, update

from app import migrate
from app.db import Database
from app.errors import StorageUnavailable
from app.models.accounts import Annotator
from app.models.projects import Project
from app.prepared import run

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ADD_PROJECT = insert(Project)
BY_SLUG = select(*Project.__table__.c).where(Project.slug == bindparam("slug"))
RENAME = (
    update(Project).where(Project.id == bindparam("project")).values(name=bindparam("new_name"))
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    found = Database(f"sqlite:///{tmp_path}/prefloop.db")
    migrate.upgrade(found)
    return found


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
    with pytest.raises(StorageUnavailable, match="UNIQUE constraint failed"):
        add_project(database)
