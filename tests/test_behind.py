"""Work that pages leave to processes of their own."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import datetime
from pathlib import Path

from helpers.processes import poll_until

from app import behind
from app.db import Database

FOR_LONG = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c"


def ask_for_long(database: Database, key: str, *, now: datetime) -> None:
    """Writes into the file `key` that it began, then waits in one query that never ends."""
    Path(key).write_text("began")
    sqlite3.connect(":memory:").execute(FOR_LONG)


def tidy_up(database: Database, key: str, *, now: datetime) -> None:
    Path(key).write_text("tidied up")


def test_work_is_begun_once_and_when_it_is_stopped_amid_a_query_tidied_up(tmp_path: Path) -> None:
    database, note = Database(f"sqlite:///{tmp_path}/none.db"), tmp_path / "note"
    for _ in range(2):
        behind.start(database, ask_for_long, str(note), when_stopped=tidy_up)
    (process,) = multiprocessing.active_children()
    poll_until(lambda: note.exists() and note.read_text() == "began", "the work to begin")

    # As multiprocessing ends such processes at the end of this one.
    process.terminate()
    process.join(30)

    assert (note.read_text(), process.exitcode) == ("tidied up", 1)
