"""Whether what is judged now could be stored, asked without storing anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from app.db import Database

LEAST_FREE_BYTES = 16 * 1024 * 1024
"""What SQLite may need for the transactions of the next seconds."""


def problem(database: Database) -> str | None:
    """Why nothing can be written, without naming a path or a host; None where it can.

    Sees a disk that may only be read or is full, and a PostgreSQL that only answers questions. It
    does not see a full disk of another machine.
    """
    if not database.is_sqlite:
        with database.connecting() as connection:
            read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar()
        return "the database may only be read" if read_only == "on" else None
    name = database.url.database
    if not name or name == ":memory:":
        return None
    file = Path(name).absolute()
    # SQLite writes two more files beside its own.
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        return "the database's file or folder may only be read"
    if shutil.disk_usage(file.parent).free < LEAST_FREE_BYTES:
        return "the database's disk is full"
    return None
