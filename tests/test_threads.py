"""Short work: few threads, the most due first, and an event loop that waits only for a moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest
import structlog
from anyio.to_thread import run_sync

from app.db import WritersTurn
from app.threads import POSTGRESQL_THREADS, SQLITE_THREADS, limit_threads, short, short_within

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]], *, is_sqlite: bool = True) -> T:
    async def in_a_server() -> T:
        limit_threads(is_sqlite=is_sqlite)
        return await work()

    return anyio.run(in_a_server)


def test_short_work_runs_in_few_threads_and_never_waits_for_long_work():
    at_once: list[int] = []
    now = 0
    lock = threading.Lock()
    ended = threading.Event()

    @short
    def judge(number: int) -> int:
        nonlocal now
        with lock:
            now += 1
            at_once.append(now)
        with lock:
            now -= 1
        return number

    async def judge_all() -> list[int]:
        async with anyio.create_task_group() as long:
            # As many as the framework has threads: each ends only when all judging is done.
            for _ in range(40):
                long.start_soon(run_sync, ended.wait, 60)
            found = await asyncio.gather(*map(judge, range(20)))
            ended.set()
        return found

    assert run(judge_all) == list(range(20))
    assert max(at_once) == SQLITE_THREADS


def test_what_is_due_first_is_done_first_whatever_came_before():
    done: list[str] = []
    submit, ask = (short_within(seconds)(done.append) for seconds in (60, 10))

    async def both() -> None:
        await asyncio.gather(submit("1"), submit("2"), ask("a"), ask("b"), submit("3"), ask("c"))

    run(both)

    assert done == ["a", "b", "c", "1", "2", "3"]


def test_the_event_loop_goes_on_beside_work_that_waits_and_other_threads_do_other_work():
    loop_went_on, others = threading.Event(), threading.Barrier(POSTGRESQL_THREADS)

    @short
    def wait() -> bool:
        return loop_went_on.wait(60)

    @short
    def meet() -> bool:
        return others.wait(60) >= 0

    async def beside() -> bool:
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        loop_went_on.set()
        return await waiting

    async def together() -> list[bool]:
        return await asyncio.gather(*(meet() for _ in range(POSTGRESQL_THREADS)))

    assert run(beside)
    assert run(together, is_sqlite=False) == [True] * POSTGRESQL_THREADS


def test_the_event_loop_itself_works_while_nobody_else_writes_and_waits_for_no_one(tmp_path):
    path = str(tmp_path / "some.db")
    mine, of_another_process = WritersTurn(path), WritersTurn(path)
    where = short(threading.get_ident)

    @short
    def write() -> int:
        with mine:
            return threading.get_ident()

    async def three_times() -> list[int]:
        limit_threads(is_sqlite=True, turn=mine)
        found = [await write()]
        with of_another_process:
            found.append(await where())
        return [*found, await write(), threading.get_ident()]

    first, second, third, loop = anyio.run(three_times)
    assert (first == loop, second == loop, third == loop) == (True, False, True)
    assert of_another_process.take_now()
    assert not mine.take_now()
    of_another_process.give_back()
    assert mine.take_now()


def test_errors_come_back_and_the_next_work_is_done():
    @short
    def divide(a: int, b: int) -> float:
        return a / b

    async def divide_twice() -> float:
        with pytest.raises(ZeroDivisionError):
            await divide(1, 0)
        return await divide(1, 2)

    assert run(divide_twice) == 0.5


def test_work_whose_request_was_given_up_is_done_and_tells_nobody():
    done: list[int] = []
    record = short(done.append)

    async def give_up() -> None:
        first = asyncio.ensure_future(record(1))
        await asyncio.sleep(0)
        first.cancel()
        await record(2)

    run(give_up)

    assert done == [1, 2]


def test_the_log_knows_the_request_in_short_work_too():
    known = short(structlog.contextvars.get_contextvars)

    async def ask() -> dict[str, str]:
        with structlog.contextvars.bound_contextvars(request_id="r1"):
            return await known()

    assert run(ask)["request_id"] == "r1"


def test_the_arguments_and_the_name_stay_those_of_the_function():
    @short
    def add(a: int, *, b: int) -> int:
        """Adds."""
        return a + b

    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert run(lambda: add(1, b=2)) == 3
