"""One run of the load: annotators work until every comparison has what it wants."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import psycopg
from helpers.load_annotators import Field, Habit, Simulated
from helpers.load_checks import violations
from helpers.load_clocks import surely_late
from helpers.load_doors import Api, Door, Pages
from helpers.load_ledger import Ledger
from helpers.load_site import SLUG, Invited
from helpers.load_statistics import look_again_and_again, wrong_statistics
from helpers.load_stored import Stored, seconds_on_lease, unfinished

# Among any 17 people every habit occurs; their number is odd, so that half of those with each habit
# work on the pages and half through the API.
HABITS = (
    *(Habit.RETRYING, Habit.DOUBLE, Habit.TABS, Habit.VANISHING, Habit.LATE, Habit.SKIPPING),
    *(Habit.RETURNING, Habit.SLOW, Habit.RETRYING, Habit.DOUBLE, Habit.TABS, Habit.DILIGENT),
    *(Habit.DILIGENT, Habit.RETRYING, Habit.LATE, Habit.GONE, Habit.DILIGENT),
)

Trouble = Callable[[Ledger, asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Load:
    """Who works where. `trouble` goes on beside them until its event says that all is judged."""

    url: str
    ports: Sequence[int]
    invited: Sequence[Invited]
    lease_seconds: float
    seed: int
    trouble: Trouble | None = None

    def run(self, *, seconds: float) -> Ledger:
        """Work until everything is judged; what everybody remembers. TimeoutError after that."""
        ledger = Ledger(self.lease_seconds)
        try:
            asyncio.run(asyncio.wait_for(self._work(ledger), seconds))
        except TimeoutError as error:
            left = f"{unfinished(self.url)} comparisons are unfinished"
            raise TimeoutError(f"{left} after {seconds:g} s\n{ledger.summary()}") from error
        return ledger

    async def _work(self, ledger: Ledger) -> None:
        finished = asyncio.Event()
        field = Field(self.ports, self.lease_seconds, ledger, finished)
        *people, last = (
            Simulated(field, one.annotator_id, _door(one, i), habit, self.seed * 1000 + i)
            for i, (one, habit) in enumerate(zip(self.invited, cycle(HABITS), strict=False))
        )
        start = asyncio.Barrier(len(people))
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(person.work(start))
            if self.trouble is not None:
                group.create_task(self.trouble(ledger, finished))
            group.create_task(self._watch(finished))
            group.create_task(look_again_and_again(self.url, finished))
        # Who went away holds a lease until its time is over; then anybody who asks ends it.
        await asyncio.sleep(await asyncio.to_thread(seconds_on_lease, self.url))
        await last.work()
        # Where overlap is adaptive, what came in at the very end may want somebody more.
        helpers = iter(people)
        while await asyncio.to_thread(unfinished, self.url):
            await next(helpers).work()

    async def _watch(self, finished: asyncio.Event) -> None:
        """Set `finished` when no comparison wants more; a database that is down is asked again."""
        pause = 0.5
        while not finished.is_set():
            await asyncio.sleep(pause)
            asked = time.monotonic()
            try:
                left = await asyncio.to_thread(unfinished, self.url)
            except (psycopg.OperationalError, sqlite3.OperationalError):
                continue
            if left == 0:
                finished.set()
            # Looking at a large project takes a while itself, and a share of the machine.
            pause = max(0.5, 20 * (time.monotonic() - asked))


def _door(person: Invited, number: int) -> Door:
    if number % 2 and person.token is not None:
        return Api(SLUG, person.token)
    return Pages(SLUG, list(person.links))


def assert_all_promises_kept(url: str, ledger: Ledger) -> None:
    """No violation in the database, and no answer that nobody should get."""
    stored = Stored.read(url)
    found = [*ledger.problems, *violations(stored, ledger), *wrong_statistics(url, stored)]
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:20])


def assert_everything_happened(url: str, ledger: Ledger) -> None:
    """Trouble of every kind: without it the promises were easy to keep. Where servers are down for
    longer than a lease, a short run need not have all of it."""
    stored = Stored.read(url)
    assert not ledger.missing(), f"this never happened: {ledger.missing()}\n{ledger.summary()}"
    assert surely_late(stored, ledger), f"no verdict came late\n{ledger.summary()}"
