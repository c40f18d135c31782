"""Short work, judging above all: done by the event loop itself, one piece after another, the most
due first.

Python runs one thread of a process at a time. A transaction lets go of the interpreter at every
statement, and a thread must fight for it with the event loop to go on: with 32 annotators who never
pause that took as long as the work itself. So the event loop does it. It never waits for others
who hold a lock: that is left to threads.

What takes longer (pages of an admin, imports, exports) has the framework's own threads, so nobody
waits behind it.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple, ParamSpec, TypeVar

from anyio.lowlevel import RunVar

from app.patience import LockedElsewhere, impatient
from app.writers_turn import WritersTurn

AT_ONCE = 16
"""Pieces of work that are done in one turn at writing to SQLite. Two processes take turns: while
one of them writes, the other one reads requests and sends answers."""
PATIENT_THREADS = 4
"""They wait for locks in PostgreSQL, so that the event loop never does."""
NEXT_SECONDS = 0.1
SUBMIT_SECONDS = 0.15
"""How soon an annotator is to have an answer: who asks for a comparison sits before an empty page,
who sent a verdict has something to look at."""

P = ParamSpec("P")
T = TypeVar("T")


class _Done(NamedTuple):
    """What a piece of work found or raised."""

    answer: asyncio.Future[Any]
    result: Any
    error: Exception | None = None

    def tell(self) -> None:
        if self.answer.cancelled():
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


class _Piece(NamedTuple):
    """Of work; those that are due first come first."""

    due: float
    number: int
    work: Callable[[], Any]
    answer: asyncio.Future[Any]

    def do(self) -> _Done:
        try:
            return _Done(self.answer, self.work())
        except Exception as error:
            return _Done(self.answer, None, error)


class _Queue(ABC):
    """The short work of one event loop, in the order in which it is due."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Piece] = []
        self._number = count()
        self._will_look = False

    async def run(self, work: Callable[[], T], within: float) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        due = self._loop.time() + within
        heappush(self._waiting, _Piece(due, next(self._number), work, answer))
        self._look_soon()
        return await answer

    def _look_soon(self) -> None:
        # Once in each round of the loop: what arrived meanwhile takes its place in the order.
        if self._waiting and not self._will_look and self._may_begin():
            self._will_look = True
            self._loop.call_soon(self._look)

    @abstractmethod
    def _may_begin(self) -> bool:
        """Whether something that waits can be begun now."""

    @abstractmethod
    def _look(self) -> None:
        """Does what is due first, and looks again."""


class _Impatient(_Queue):
    """The event loop itself, one piece in each round. What would have to wait for a lock that
    somebody holds is done by a thread."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="short work")

    def _may_begin(self) -> bool:
        return True

    def _look(self) -> None:
        self._will_look = False
        piece = heappop(self._waiting)
        with impatient():
            done = piece.do()
        if isinstance(done.error, LockedElsewhere):
            job = self._pool.submit(piece.do)
            job.add_done_callback(
                lambda job: self._loop.call_soon_threadsafe(lambda: job.result().tell())
            )
        else:
            done.tell()
        self._look_soon()


class _ByTurns(_Queue):
    """The event loop itself, several pieces in each turn at writing. Who waits for the turn is a
    thread: meanwhile the loop reads requests and sends answers."""

    def __init__(self, turn: WritersTurn) -> None:
        super().__init__()
        self._turn = turn
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer's turn")
        self._thread = threading.get_ident()
        self._waits = False

    def _may_begin(self) -> bool:
        return not self._waits

    def _look(self) -> None:
        self._will_look = False
        if self._turn.take_now():
            self._write()
        else:
            self._waits = True
            self._pool.submit(self._wait)

    def _wait(self) -> None:
        self._turn.take_for(self._thread)
        try:
            self._loop.call_soon_threadsafe(self._write)
        except RuntimeError:
            # The loop was closed: nobody waits for an answer any more.
            self._turn.give_back()

    def _write(self) -> None:
        self._waits = False
        try:
            done = [heappop(self._waiting).do() for _ in range(min(AT_ONCE, len(self._waiting)))]
        finally:
            self._turn.give_back()
        # Answers first: meanwhile another process has its turn.
        for one in done:
            one.tell()
        self._look_soon()


_queue: RunVar[_Queue] = RunVar("short work")


def limit_threads(turn: WritersTurn | None) -> None:
    """For the event loop that runs now. Where nobody said, short work has one thread.

    `turn` is that of a database that has one writer.
    """
    _queue.set(_Impatient(PATIENT_THREADS) if turn is None else _ByTurns(turn))


def _queue_of_loop() -> _Queue:
    found = _queue.get(None)
    if found is None:
        found = _Impatient(1)
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
