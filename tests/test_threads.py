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

from app.patience import LockedElsewhere, is_impatient
from app.threads import AT_ONCE, PATIENT_THREADS, limit_threads, short, short_within
from app.writers_turn import WritersTurn

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]], turn: WritersTurn | None = None) -> T:
    async def in_a_server() -> T:
        limit_threads(turn)
        return await work()

    return anyio.run(in_a_server)


@pytest.mark.parametrize("turn", [None, WritersTurn(None)])
def test_short_work_is_done_by_the_event_loop_and_never_waits_for_long_work(turn):
    ended = threading.Event()
    judge = short(lambda number: (number, threading.get_ident()))

    async def judge_all() -> list[tuple[int, int]]:
        async with anyio.create_task_group() as long:
            # As many as the framework has threads: each ends only when all judging is done.
            for _ in range(40):
                long.start_soon(run_sync, ended.wait, 60)
            found = await asyncio.gather(*map(judge, range(20)))
            ended.set()
        return [*found, (20, threading.get_ident())]

    numbers, threads = zip(*run(judge_all, turn), strict=True)
    assert numbers == tuple(range(21))
    assert len(set(threads)) == 1


@pytest.mark.parametrize("turn", [None, WritersTurn(None)])
def test_what_is_due_first_is_done_first_whatever_came_before(turn):
    done: list[str] = []
    submit, ask = (short_within(seconds)(done.append) for seconds in (60, 10))

    async def both() -> None:
        await asyncio.gather(submit("1"), submit("2"), ask("a"), ask("b"), submit("3"), ask("c"))

    run(both, turn)

    assert done == ["a", "b", "c", "1", "2", "3"]


def test_what_would_have_to_wait_for_others_is_done_by_threads_beside_the_event_loop():
    loop_went_on, others = threading.Event(), threading.Barrier(PATIENT_THREADS)
    tries: list[bool] = []

    @short
    def wait() -> bool:
        tries.append(is_impatient())
        if is_impatient():
            raise LockedElsewhere
        return loop_went_on.wait(60)

    @short
    def meet() -> bool:
        if is_impatient():
            raise LockedElsewhere
        return others.wait(60) >= 0

    async def beside() -> bool:
        waiting = asyncio.ensure_future(wait())
        while len(tries) < 2:
            await asyncio.sleep(0)
        loop_went_on.set()
        return await waiting

    async def together() -> list[bool]:
        return await asyncio.gather(*(meet() for _ in range(PATIENT_THREADS)))

    assert run(beside)
    assert tries == [True, False]
    assert run(together) == [True] * PATIENT_THREADS
    assert not is_impatient()


def test_the_event_loop_writes_itself_and_a_thread_waits_for_the_turn(tmp_path):
    path = str(tmp_path / "some.db")
    mine, of_another_process = WritersTurn(path), WritersTurn(path)
    where = short(threading.get_ident)

    @short
    def write() -> int:
        with mine:
            return threading.get_ident()

    async def three_times() -> list[int]:
        found = [await write()]
        of_another_process.take_for(threading.get_ident())
        waiting = asyncio.ensure_future(where())
        while not mine._lock.locked():
            # The loop goes on while a thread waits for the other process.
            await asyncio.sleep(0)
        assert not waiting.done()
        of_another_process.give_back()
        return [*found, await waiting, await write(), threading.get_ident()]

    first, second, third, loop = run(three_times, mine)
    assert [first, second, third] == [loop] * 3
    assert of_another_process.take_now()
    assert not mine.take_now()
    of_another_process.give_back()
    assert mine.take_now()


def test_a_turn_at_writing_does_a_few_pieces_so_that_others_have_theirs():
    class Counted(WritersTurn):
        taken = 0

        def take_now(self) -> bool:
            self.taken += 1
            return super().take_now()

    turn = Counted(None)
    write = short(int)

    async def write_many() -> list[int]:
        return await asyncio.gather(*(write(i) for i in range(3 * AT_ONCE)))

    assert run(write_many, turn) == list(range(3 * AT_ONCE))
    assert turn.taken == 3


def test_who_has_the_turn_may_take_it_again_and_it_is_free_after_the_last_return(tmp_path):
    path = str(tmp_path / "some.db")
    mine, of_another_process = WritersTurn(path), WritersTurn(path)

    with mine:
        assert mine.take_now()
        mine.give_back()
        assert not of_another_process.take_now()

    assert of_another_process.take_now()


@pytest.mark.parametrize("turn", [None, WritersTurn(None)])
def test_errors_come_back_and_the_next_work_is_done(turn):
    @short
    def divide(a: int, b: int) -> float:
        return a / b

    async def divide_twice() -> float:
        with pytest.raises(ZeroDivisionError):
            await divide(1, 0)
        return await divide(1, 2)

    assert run(divide_twice, turn) == 0.5


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
