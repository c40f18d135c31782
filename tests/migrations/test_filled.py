"""Going down and up again keeps every row of a filled database that both revisions can hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from helpers.filled import LATER, fill
from helpers.postgres import PostgresServer
from sqlalchemy import MetaData, Row, inspect, select

from app import migrate, revisions
from app.db import Database
from app.services import audit, full_tallies, projects, queue, statistics

Rows = dict[str, list[dict[str, Any]]]

REVISIONS = sorted(migrate.known_revisions())
# Tables that a revision makes anew: there was nothing to keep in them.
EMPTIED = {"0001": {"api_tokens"}}
SUMS = ("annotator_days", "vote_counts", "project_contents")
# Built anew at the end of the way up; `check_sums` sees that it holds the same.
BUILT = {"pending_judgments", "project_sums"}
# What no lower revision can hold, in tables that it has.
FORGOTTEN = {"blind", "restricted_to", "gold_verdict", "gold_position", "groups"}


def rows_of(database: Database) -> Rows:
    """Every row as it is stored now, whatever the revision."""
    stored = MetaData()
    with database.connecting() as connection:
        stored.reflect(connection)
        return {
            table.name: sorted(
                (dict(row._mapping) for row in connection.execute(select(table)) if counts(row)),
                key=repr,
            )
            for table in stored.sorted_tables
            if table.name != "alembic_version"
        }


def counts(row: Row[Any]) -> bool:
    """Whether it is more than a sum that has come down to nothing, which may be there or not."""
    return getattr(row, "prompt_group", None) is None or row.comparisons != 0


def columns_of(database: Database) -> dict[str, set[str]]:
    inspector = inspect(database.engine)
    return {
        table: {column["name"] for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }


def only(rows: list[dict[str, Any]], columns: set[str]) -> list[dict[str, Any]]:
    """The rows cut down to these columns."""
    return sorted(
        ({name: value for name, value in row.items() if name in columns} for row in rows), key=repr
    )


def filled_at(url: str, folder: Path) -> None:
    database = Database(url)
    migrate.upgrade(database)
    fill(database, folder)
    database.dispose()


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("filled")
    filled_at(f"sqlite:///{folder}/filled.db", folder)
    assert not (folder / "filled.db-wal").exists(), "the file holds all"
    return (folder / "filled.db").read_bytes()


@pytest.fixture(scope="module")
def filled_template(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    filled_at(postgres_server.create_database("filled_once"), tmp_path_factory.mktemp("filled"))
    yield "filled_once"
    postgres_server.drop_database("filled_once")


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A copy of one that is filled once for all."""
    if request.param == "sqlite":
        (tmp_path / "prefloop.db").write_bytes(request.getfixturevalue("filled_file"))
        url = f"sqlite:///{tmp_path}/prefloop.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database("filled", template=request.getfixturevalue("filled_template"))
    database = Database(url)
    yield database
    database.dispose()
    if request.param == "postgresql":
        server.drop_database("filled")


@pytest.mark.parametrize("lower", REVISIONS[:-1])
def test_rows_survive_the_way_down_and_up_again(filled: Database, lower: str) -> None:
    at_head, wide = rows_of(filled), columns_of(filled)

    for revision in reversed(REVISIONS[REVISIONS.index(lower) : -1]):
        migrate.downgrade(filled, revision)
    below, narrow = rows_of(filled), columns_of(filled)
    for revision in REVISIONS[REVISIONS.index(lower) + 1 :]:
        migrate.upgrade(filled, revision)
    again = rows_of(filled)

    assert revisions.current(filled) == revisions.expected()
    assert set(again) == set(at_head)
    for table in set(below) - EMPTIED.get(lower, set()) - BUILT:
        shared = narrow[table] & wide[table]
        assert below[table] != [], table
        assert only(at_head[table], shared) == only(below[table], shared), table
        kept = wide[table] - (FORGOTTEN - narrow[table])
        assert only(again[table], kept) == only(at_head[table], kept), table
    # The audit log knows it, whatever the revision.
    assert again["judgment_readings"] == at_head["judgment_readings"] != []
    check_sums(filled, at_head, again)


def check_sums(database: Database, before: Rows, after: Rows) -> None:
    """What is kept beside the rows is the same, also where a revision had to compute it anew."""
    for table in SUMS:
        assert before[table] != []
        assert after[table] == before[table], table
    with database.reading() as session:
        project = projects.by_slug(session, "p")
        assert full_tallies.check(session, project, queue.policy_of(project)) == []
        assert statistics.check(session, UUID(int=7)) == []
        assert audit.verify(session).problem is None
    judgments = len(after["judgments"])
    assert statistics.read(database, UUID(int=7), now=LATER).judgments == judgments


def test_a_filled_database_can_be_taken_down_to_nothing(filled: Database) -> None:
    for revision in [*reversed(REVISIONS[:-1]), "base"]:
        migrate.downgrade(filled, revision)

    assert inspect(filled.engine).get_table_names() == ["alembic_version"]
