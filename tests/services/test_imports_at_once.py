"""Imports of the same records at the same moment: they take turns, and nobody who judges waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from helpers.data import add_annotator, import_plain, lease, make_project, pair, submit

from app.db import Database
from app.services import full_tallies, import_store, projects, queue

RECORDS = [
    pair(n, judgments=[{"annotator": f"w{n % 3}", "verdict": 1, "reason": "so"}])
    for n in range(1, 61)
]


def test_two_that_bring_the_same_records_in_opposite_order_store_each_once(
    database: Database,
) -> None:
    make_project(database, pairs=0)
    for part in range(3):
        records = [{**r, "prompt": f"{part}: {r['prompt']}"} for r in RECORDS]
        both = Barrier(2)

        def bring(records: list[object], both: Barrier = both) -> dict[str, int]:
            both.wait()
            summary = import_plain(database, records)
            assert summary.rejected == []
            return summary.added

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(bring, [records, records[::-1]])

        for table, wanted in (("prompts", 60), ("completions", 120), ("judgments", 60)):
            assert one.get(table, 0) + other.get(table, 0) == wanted, table
    with database.reading() as session:
        project = projects.by_slug(session, "p")
        assert full_tallies.check(session, project, queue.policy_of(project)) == []


# SQLite has one writer at a time, for whom a batch is short.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_judges_does_not_wait_for_an_import(database: Database) -> None:
    make_project(database, pairs=2)
    ada = add_annotator(database, "ada")

    def judge() -> None:
        view = lease(database, ada)
        assert view is not None
        submit(database, ada, view)

    with ThreadPoolExecutor(1) as pool, database.writing() as session:
        import_store.take_turn(session, projects.by_slug(session, "p"))
        pool.submit(judge).result(timeout=60)
