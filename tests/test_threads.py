"""Short work has few threads of its own, so that nothing long stands before it."""

import threading

import anyio
from anyio.to_thread import run_sync

from app.threads import SQLITE_THREADS, limit_threads, short


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
        limit_threads(is_sqlite=True)
        found: list[int] = []

        async def one(number: int) -> None:
            found.append(await judge(number))

        async with anyio.create_task_group() as long:
            # As many as the framework has threads: each ends only when all judging is done.
            for _ in range(40):
                long.start_soon(run_sync, ended.wait, 60)
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(one, number)
            ended.set()
        return found

    assert sorted(anyio.run(judge_all)) == list(range(20))
    assert max(at_once) == SQLITE_THREADS


def test_the_arguments_and_the_name_stay_those_of_the_function():
    @short
    def add(a: int, *, b: int) -> int:
        """Adds."""
        return a + b

    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert anyio.run(lambda: add(1, b=2)) == 3
