"""Whether whoever works now may wait for what others hold. The event loop may not: it gives such
work to a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOCK_TIMEOUT_MS = 20
"""How long the event loop waits for a lock in PostgreSQL. Judgments hold theirs for a few."""

_state = threading.local()


class LockedElsewhere(Exception):
    """Others hold what is needed, and nothing was done: to be tried again by who may wait."""


@contextmanager
def impatient() -> Iterator[None]:
    """Nothing in this block, in this thread, may wait for others."""
    _state.impatient = True
    try:
        yield
    finally:
        _state.impatient = False


def is_impatient() -> bool:
    return getattr(_state, "impatient", False)


def wait(seconds: float) -> None:
    """Give others the time to let go of what they hold. Raises LockedElsewhere where nothing may
    wait."""
    if is_impatient():
        raise LockedElsewhere
    time.sleep(seconds)
