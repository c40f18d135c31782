"""Kills servers and their database while annotators work, and starts them again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from helpers.load_ledger import Ledger
from helpers.load_servers import Servers
from helpers.postgres import PostgresServer


class Crash(StrEnum):
    SERVERS = "every server"
    DATABASE = "the database"
    ONE_SERVER = "one server"
    ONE_WORKER = "one worker"
    EVERYTHING = "every server and the database"


# Where one server goes on, the work may end before the other is back, so that is the last kind.
ON_SQLITE = (Crash.SERVERS, Crash.ONE_SERVER)
ON_POSTGRESQL = (Crash.SERVERS, Crash.DATABASE, Crash.EVERYTHING, Crash.ONE_SERVER)


@dataclass(frozen=True, kw_only=True)
class Crashes:
    """The kinds in turn, at random moments, every second one right after an acknowledgement."""

    servers: Servers
    kinds: Sequence[Crash]
    most: int
    """So many crashes, unless everything is judged before."""
    seed: int
    seconds_between: tuple[float, float] = (0.2, 0.9)
    postgres: PostgresServer | None = None

    async def __call__(self, ledger: Ledger, finished: asyncio.Event) -> None:
        rng = random.Random(self.seed)
        for number in range(self.most):
            await asyncio.sleep(rng.uniform(*self.seconds_between))
            if number % 2 == 0:
                await first_of(ledger.next_acknowledgement(), finished.wait())
            if finished.is_set():
                return
            crash = self.kinds[number % len(self.kinds)]
            ledger.events[f"killed: {crash}"] += 1
            await self._happen(crash, rng)

    async def _happen(self, crash: Crash, rng: random.Random) -> None:
        if crash is Crash.ONE_WORKER:
            self.servers.kill_one_worker(rng.choice)
        elif crash is Crash.ONE_SERVER:
            self.servers.kill([rng.choice(self.servers.ports)])
        elif crash is not Crash.DATABASE:
            self.servers.kill()
        if crash in (Crash.DATABASE, Crash.EVERYTHING):
            assert self.postgres is not None
            await asyncio.to_thread(self.postgres.kill)
            await asyncio.to_thread(self.postgres.start)
        await asyncio.to_thread(self.servers.start)

    @staticmethod
    def count(ledger: Ledger) -> int:
        return sum(n for event, n in ledger.events.items() if event.startswith("killed"))


async def first_of(*waits) -> None:
    """Return when one of these has happened; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    _, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
