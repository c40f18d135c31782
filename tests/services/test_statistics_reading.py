"""What a page waits for before it shows statistics."""

from __future__ import annotations

from uuid import UUID

import pytest
from helpers.data import NOON, import_plain, make_project, pair, project_of
from sqlalchemy import Engine, event, select, update

from app import migrate
from app.db import Database
from app.models.statistics import KeptSums
from app.rules.project_sums import ProjectSums
from app.services import statistics


@pytest.fixture
def project_id(database: Database) -> UUID:
    make_project(database, pairs=0)
    with database.reading() as session:
        found = project_of(session).id
    statistics.read(database, found, now=NOON)
    return found


def judge(database: Database, number: int, judges: str) -> None:
    votes = [{"annotator": name, "verdict": 1} for name in judges]
    assert not import_plain(database, [pair(number, judgments=votes)]).rejected


def test_in_a_large_project_a_page_waits_for_few_judgments_only(
    database: Database, project_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "LARGE", 2)
    monkeypatch.setattr(statistics, "FEW", 1)
    found = []
    for number, judges in ((1, "uv"), (2, "uv"), (3, "u")):
        judge(database, number, judges)
        found.append(statistics.read(database, project_id, now=NOON))
        if found[-1].waiting:
            statistics.catch_up(database, project_id, now=NOON)

    # It becomes large with the first two; two more wait, and a single one does not.
    assert [(one.judgments, one.waiting) for one in found] == [(2, 0), (2, 2), (5, 0)]


def test_what_is_pending_is_read_by_its_comparisons(database: Database, project_id: UUID) -> None:
    """And not by looking through all judgments of the project."""
    if database.url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL chooses its plan by how many rows there are")
    judge(database, 1, "u")
    asked = []

    def listen(_connection: object, _cursor: object, statement: str, given: tuple, *_: object):
        asked.append((statement, given))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        assert statistics.read(database, project_id, now=NOON).judgments == 1
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    reads = [one for one in asked if "JOIN pending_judgments" in one[0] or "messages" in one[0]]
    with database.reading() as session:
        plans = [
            row[3]
            for statement, given in reads
            for row in session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", given
            )
        ]

    assert len(reads) == 2
    assert any("ix_judgments_comparison" in step for step in plans)
    assert not [step for step in plans if "_project" in step and "pending" not in step]


def test_an_upgrade_builds_a_state_of_another_format(database: Database, project_id: UUID) -> None:
    judge(database, 1, "u")
    statistics.catch_up(database, project_id, now=NOON)
    with database.writing() as session:
        session.execute(update(KeptSums).values(state=b'{"format":0}\n'))

    migrate.upgrade(database)

    with database.reading() as session:
        state = session.scalar(select(KeptSums.state))
        assert state is not None
        built = ProjectSums.from_bytes(state)
        assert built is not None
        assert built.folded == 1
        assert statistics.check(session, project_id) == []
