"""Servers, and the database server, die under load and come back: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from helpers.load_ledger import Ledger
from helpers.load_run import Load, assert_all_promises_kept
from helpers.load_servers import Servers
from helpers.load_site import make_load_site
from helpers.postgres import PostgresServer

LEASE_SECONDS = 2


class Crashes:
    """Kills servers at random moments, half of them right after an acknowledgement."""

    def __init__(
        self, servers: Servers, *, kills: int, seed: int, postgres: PostgresServer | None = None
    ) -> None:
        self._servers = servers
        self._kills = kills
        self._rng = random.Random(seed)
        self._postgres = postgres

    async def __call__(self, ledger: Ledger, finished: asyncio.Event) -> None:
        for number in range(self._kills):
            await asyncio.sleep(self._rng.uniform(0.2, 0.9))
            if finished.is_set():
                return
            if number % 2 == 0:
                await ledger.next_acknowledgement()
            await self._crash(number, ledger)

    async def _crash(self, number: int, ledger: Ledger) -> None:
        """In turn: every server, the database below them, one server, and all at once."""
        what = ["servers", "database", "one server", "everything"][number % 4]
        if self._postgres is None and what in ("database", "everything"):
            what = "servers"
        ledger.events[f"killed: {what}"] += 1
        if what == "one server":
            self._servers.kill([self._rng.choice(self._servers.ports)])
        elif what != "database":
            self._servers.kill()
        if what in ("database", "everything") and self._postgres is not None:
            await asyncio.to_thread(self._postgres.kill)
            await asyncio.to_thread(self._postgres.start)
        await asyncio.to_thread(self._servers.start)


def crash_under_load(
    url: str, folder: Path, *, kills: int, seed: int, postgres: PostgresServer | None = None
) -> None:
    invited = make_load_site(url, comparisons=20 * kills, people=31, overlap=3)
    with Servers(url, folder, count=2, lease_seconds=LEASE_SECONDS) as servers:
        load = Load(
            url=url,
            ports=servers.ports,
            invited=invited,
            lease_seconds=LEASE_SECONDS,
            seed=seed,
            trouble=Crashes(servers, kills=kills, seed=seed, postgres=postgres),
        )
        ledger = load.run(seconds=60 + 10 * kills)
    assert_all_promises_kept(url, ledger)
    killed = sum(n for event, n in ledger.events.items() if event.startswith("killed"))
    assert killed == kills, "the work was over before every crash had happened"


def test_killed_servers_lose_no_verdict_on_sqlite(tmp_path: Path) -> None:
    crash_under_load(f"sqlite:///{tmp_path}/prefloop.db", tmp_path, kills=3, seed=1)


def test_killed_servers_and_a_killed_database_lose_no_verdict_on_postgresql(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with PostgresServer() as postgres:
        url = postgres.create_database("crash")
        crash_under_load(url, tmp_path, kills=4, seed=1, postgres=postgres)
