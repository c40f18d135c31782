"""Fits of a large project's models, in a process of their own.

They take minutes of Python over millions of judgments: in a thread those would be taken from
everybody who judges, and a server that is told to stop would wait for them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from multiprocessing import active_children, get_context

from app.db import Database, utc_now
from app.services import model_renewal

NICENESS = 10


def start(database: Database, slug: str) -> None:
    """It ends with this process, and comes after everything else that wants a processor.

    One at a time of a project: who asks again while it works would start Pythons that only find
    that the work is taken.
    """
    name = f"fits of {slug} in {database.url}"
    if any(process.name == name for process in active_children()):
        return
    address = database.url.render_as_string(hide_password=False)
    # Told through a pipe: an address may hold a password, and command lines are for all to read.
    spawn = get_context("spawn")
    spawn.Process(target=_renew, args=(address, slug), name=name, daemon=True).start()


def _renew(address: str, slug: str) -> None:
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    database = Database(address)
    model_renewal.renew(database, slug, now=utc_now())
    database.dispose()
