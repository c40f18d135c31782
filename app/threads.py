"""The threads in which short work is done: judging, and finding out who asks.

Python runs one thread of a process at a time, and SQLite has one writer. More threads than these
only pass both back and forth: with 40 of them a server does half of the work. What takes longer
(pages of an admin, imports, exports) has the framework's own threads, so nobody waits behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

SQLITE_THREADS = 1
POSTGRESQL_THREADS = 4
"""While one waits for the database, another one computes."""

P = ParamSpec("P")
T = TypeVar("T")

_limiter: RunVar[CapacityLimiter] = RunVar("threads for short work")


def limit_threads(*, is_sqlite: bool) -> None:
    """For the event loop that runs now."""
    _limiter.set(CapacityLimiter(SQLITE_THREADS if is_sqlite else POSTGRESQL_THREADS))


def short(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Makes a coroutine of a function, so that a route or dependency runs it in these threads."""

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await run_sync(lambda: function(*args, **kwargs), limiter=_limiter.get(None))

    return run


async def look_up(is_sqlite: bool, find: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs what reads one row, as every request does. SQLite answers sooner than a thread wakes."""
    if is_sqlite:
        return find(*args, **kwargs)
    return await short(find)(*args, **kwargs)
