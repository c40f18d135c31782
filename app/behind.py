"""Work that a page begins and nobody waits for, in a process of its own.

Over millions of judgments it takes seconds or minutes of Python: in a thread those would be taken
from everybody who judges, and a server that is told to stop would wait for them.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import datetime
from multiprocessing import active_children, get_context
from threading import Thread
from typing import Protocol, TypeVar
from uuid import UUID

from app.db import Database, utc_now

NICENESS = 10

Key_contra = TypeVar("Key_contra", str, UUID, contravariant=True)


class Work(Protocol[Key_contra]):
    """A function of a module: the other process finds it by its name."""

    __name__: str

    def __call__(self, database: Database, key: Key_contra, /, *, now: datetime) -> object: ...


def start(
    database: Database,
    work: Work[Key_contra],
    key: Key_contra,
    *,
    when_stopped: Work[Key_contra] | None = None,
) -> None:
    """It ends with this process, and comes after everything else that wants a processor.

    key is the project's. One at a time of the same work: who asks again while it is done would
    start Pythons that only find that somebody does it. `when_stopped` is done where the work is
    ended before it is through.
    """
    name = f"{work.__name__} {key} in {database.url}"
    if any(process.name == name for process in active_children()):
        return
    address = database.url.render_as_string(hide_password=False)
    # Told through a pipe: an address may hold a password, and command lines are for all to read.
    spawn = get_context("spawn")
    given = (address, work, key, when_stopped)
    spawn.Process(target=_do, args=given, name=name, daemon=True).start()


def _do(
    address: str,
    work: Work[Key_contra],
    key: Key_contra,
    when_stopped: Work[Key_contra] | None,
) -> None:
    if when_stopped is not None and os.name == "posix":
        # By a thread: a handler in Python would wait until a query for millions of rows is done.
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell)
        signal.signal(signal.SIGTERM, lambda *_: None)
        Thread(target=_stop, args=(told, address, when_stopped, key), daemon=True).start()
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    database = Database(address)
    work(database, key, now=utc_now())
    database.dispose()


def _stop(told: int, address: str, when_stopped: Work[Key_contra], key: Key_contra) -> None:
    os.read(told, 1)
    try:
        when_stopped(Database(address), key, now=utc_now())
    finally:
        os._exit(1)
