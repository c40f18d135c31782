"""Short work, judging above all: done by few threads, one piece after another, the most due first.

Python runs one thread of a process at a time. A transaction lets go of the interpreter at every
statement, and must fight for it with the event loop to go on: with 32 annotators who never pause
that took as long as the work itself. So the event loop waits while a piece of short work is done,
for a moment: what then still waits for the database goes on beside it.

What takes longer (pages of an admin, imports, exports) has the framework's own threads, so nobody
waits behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from heapq import heappop, heappush
from itertools import count
from typing import Any, ParamSpec, TypeVar

from anyio.lowlevel import RunVar

from app.db import WritersTurn

SQLITE_THREADS = 1
"""It has one writer."""
POSTGRESQL_THREADS = 4
"""While one waits for the database, another one computes."""
PATIENCE_SECONDS = 0.02
"""How long the event loop waits for a piece of short work, which usually takes 2 to 8 ms."""
NEXT_SECONDS = 0.1
SUBMIT_SECONDS = 0.15
"""How soon an annotator is to have an answer: who asks for a comparison sits before an empty page,
who sent a verdict has something to look at."""

P = ParamSpec("P")
T = TypeVar("T")


class _Queue:
    """The short work of one event loop, in the order in which it is due."""

    def __init__(self, threads: int, turn: WritersTurn | None) -> None:
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="short work")
        self._free = threads
        self._waiting: list[tuple[float, int, Callable[[], Any], asyncio.Future[Any]]] = []
        self._number = count()
        self._will_look = False

    async def run(self, work: Callable[[], T], within: float) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        due = self._loop.time() + within
        heappush(self._waiting, (due, next(self._number), work, answer))
        self._look_soon()
        return await answer

    def _look_soon(self) -> None:
        # One piece in each round of the loop: what arrived meanwhile takes its place in the order.
        if self._waiting and self._free and not self._will_look:
            self._will_look = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._will_look = False
        _, _, work, answer = heappop(self._waiting)
        self._free -= 1
        try:
            job = self._begin(work)
            job.exception(PATIENCE_SECONDS)
        except TimeoutError:
            job.add_done_callback(
                lambda job: self._loop.call_soon_threadsafe(self._finish, job, answer)
            )
        else:
            self._finish(job, answer)
        self._look_soon()

    def _begin(self, work: Callable[[], Any]) -> Future[Any]:
        if self._turn is None or not self._turn.take_now():
            return self._pool.submit(work)
        # Nobody else writes, so there is nothing to wait for, and to wake a thread takes longer.
        job: Future[Any] = Future()
        try:
            job.set_result(work())
        except Exception as error:
            job.set_exception(error)
        finally:
            self._turn.give_back()
        return job

    def _finish(self, job: Future[Any], answer: asyncio.Future[Any]) -> None:
        self._free += 1
        self._look_soon()
        if answer.cancelled():
            return
        error = job.exception()
        if error is None:
            answer.set_result(job.result())
        else:
            answer.set_exception(error)


_queue: RunVar[_Queue] = RunVar("short work")


def limit_threads(*, is_sqlite: bool, turn: WritersTurn | None = None) -> None:
    """For the event loop that runs now. Where nobody said, short work has one thread.

    `turn` is that of a database that has one writer: while it is free, the event loop itself works.
    """
    _queue.set(_Queue(SQLITE_THREADS if is_sqlite else POSTGRESQL_THREADS, turn))


def _queue_of_loop() -> _Queue:
    found = _queue.get(None)
    if found is None:
        found = _Queue(1, None)
        _queue.set(found)
    return found


def short_within(seconds: float) -> Callable[[Callable[P, T]], Callable[P, Coroutine[Any, Any, T]]]:
    """`short`, for work that is due so soon."""

    def decorate(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            context = copy_context()
            return await _queue_of_loop().run(
                lambda: context.run(function, *args, **kwargs), seconds
            )

        return run

    return decorate


short = short_within(SUBMIT_SECONDS)
"""Makes a coroutine of a function, so that a route or dependency runs it in these threads."""
