"""Work that pages leave to processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
from datetime import datetime
from pathlib import Path

from helpers.processes import poll_until

from app import behind
from app.db import Database


def work_for_long(database: Database, key: str, *, now: datetime) -> None:
    """Writes down in the file `key` that it began, and that it was told to stop."""
    path = Path(key)
    try:
        path.write_text("began")
        signal.pause()
    except SystemExit:
        path.write_text("tidied up")
        raise


def test_work_that_is_told_to_stop_tidies_up_and_is_begun_once(tmp_path: Path) -> None:
    database, note = Database(f"sqlite:///{tmp_path}/none.db"), tmp_path / "note"
    for _ in range(2):
        behind.start(database, work_for_long, str(note))
    (process,) = multiprocessing.active_children()
    poll_until(lambda: note.exists() and note.read_text() == "began", "the work to begin")

    # As multiprocessing ends such processes at the end of this one.
    process.terminate()
    process.join(30)

    assert (note.read_text(), process.exitcode) == ("tidied up", 1)
