"""Fifty annotators at once, over HTTP, on several worker processes that share one database."""

from __future__ import annotations

from pathlib import Path

from helpers.load_run import Load, assert_all_promises_kept
from helpers.load_servers import Servers
from helpers.load_site import make_load_site

LEASE_SECONDS = 2


def test_fifty_annotators_at_once_give_every_comparison_exactly_what_it_wants(
    database_url: str, tmp_path: Path
) -> None:
    invited = make_load_site(database_url, comparisons=40, people=51, overlap=3)
    with Servers(
        database_url, tmp_path, count=1, workers=3, lease_seconds=LEASE_SECONDS
    ) as servers:
        load = Load(
            url=database_url,
            ports=servers.ports,
            invited=invited,
            lease_seconds=LEASE_SECONDS,
            seed=1,
        )
        ledger = load.run(seconds=120)
    assert_all_promises_kept(database_url, ledger)
    assert ledger.statuses[503] == 0, "nothing was wrong with the database"
