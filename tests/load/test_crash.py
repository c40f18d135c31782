"""Servers, and the database server, die under load and come back: nothing acknowledged is lost.

PostgreSQL runs with fsync off here, and a killed process loses nothing by that: what was committed
is in the operating system's memory. A power cut is not tested. To test it needs fsync,
full_page_writes and synchronous_commit as PostgreSQL sets them and SQLite's synchronous=full, as
deployments have them, and a disk that forgets at a chosen moment whatever it was not told to keep:
a virtual machine reset without its host's cache, or device-mapper's log-writes target replayed up
to each flush.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers.load_crashes import ON_POSTGRESQL, ON_SQLITE, Crash, Crashes
from helpers.load_run import Load, assert_all_promises_kept
from helpers.load_servers import Servers
from helpers.load_site import make_load_site
from helpers.postgres import PostgresServer

LEASE_SECONDS = 2


def crash_under_load(
    url: str, folder: Path, kinds: Sequence[Crash], postgres: PostgresServer | None = None
) -> None:
    invited = make_load_site(url, comparisons=22 * len(kinds), people=34)
    with Servers(url, folder, count=2, lease_seconds=LEASE_SECONDS) as servers:
        crashes = Crashes(servers=servers, kinds=kinds, most=len(kinds), seed=1, postgres=postgres)
        load = Load(
            url=url,
            ports=servers.ports,
            invited=invited,
            lease_seconds=LEASE_SECONDS,
            seed=1,
            trouble=crashes,
        )
        ledger = load.run(seconds=120)
    assert_all_promises_kept(url, ledger)
    assert Crashes.count(ledger) == len(kinds), "the work was over before every crash had happened"


def test_killed_servers_lose_no_verdict_on_sqlite(tmp_path: Path) -> None:
    crash_under_load(f"sqlite:///{tmp_path}/prefloop.db", tmp_path, [Crash.SERVERS, *ON_SQLITE])


def test_killed_servers_and_a_killed_database_lose_no_verdict_on_postgresql(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    crash_under_load(own_postgres.create_database("crash"), tmp_path, ON_POSTGRESQL, own_postgres)
