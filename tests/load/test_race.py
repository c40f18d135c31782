"""Fifty annotators at once, over HTTP, on several worker processes that share one database."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from helpers.load_ledger import Ledger
from helpers.load_mixed import (
    Plan,
    PolicyChange,
    did_not_happen,
    make_mixed_site,
    wrong_order,
    wrong_people,
    wrong_targets,
)
from helpers.load_run import Load, assert_all_promises_kept, assert_everything_happened
from helpers.load_servers import Servers
from helpers.load_site import make_load_site
from helpers.load_stored import Stored
from helpers.postgres import PostgresServer

LEASE_SECONDS = 2
SOAK_RACE = int(os.environ.get("SOAK_RACE", "1500"))
"""Comparisons of each long race."""
SOAK_PEOPLE = 152


def race_for_one_number(url: str, folder: Path, *, comparisons: int, people: int) -> Ledger:
    """Three judgments of every comparison, a tenth of which is gold."""
    invited = make_load_site(url, comparisons=comparisons, people=people, overlap=3)
    with Servers(url, folder, count=1, workers=3, lease_seconds=LEASE_SECONDS) as servers:
        load = Load(
            url=url, ports=servers.ports, invited=invited, lease_seconds=LEASE_SECONDS, seed=1
        )
        ledger = load.run(seconds=120 + comparisons)
    assert_all_promises_kept(url, ledger)
    assert_everything_happened(url, ledger)
    assert ledger.statuses[503] == 0, "nothing was wrong with the database"
    return ledger


def race_for_many_numbers(url: str, folder: Path, *, comparisons: int, people: int) -> Ledger:
    """Every rule that says how many judgments a comparison gets, and of whom, all at once."""
    invited = make_mixed_site(url, comparisons=comparisons, people=people)
    plan = Plan.read(url)
    assert not list(plan.mistakes())
    with Servers(url, folder, count=1, workers=3, lease_seconds=LEASE_SECONDS) as servers:
        load = Load(
            url=url,
            ports=servers.ports,
            invited=invited,
            lease_seconds=LEASE_SECONDS,
            seed=1,
            trouble=PolicyChange(url=url, after=comparisons),
        )
        ledger = load.run(seconds=120 + comparisons)
    assert ledger.events["changed the policy"], "all was judged before the policy changed"
    stored = Stored.read(url)
    wrong = [
        *wrong_targets(plan, stored),
        *wrong_people(plan, stored),
        *wrong_order(plan, stored, ledger),
    ]
    assert not wrong, f"{len(wrong)} violations:\n" + "\n".join(wrong[:20])
    assert_all_promises_kept(url, ledger)
    assert_everything_happened(url, ledger)
    assert not list(did_not_happen(plan, stored, ledger))
    assert ledger.statuses[503] == 0, "nothing was wrong with the database"
    return ledger


def test_fifty_annotators_at_once_give_every_comparison_exactly_what_it_wants(
    tmp_path: Path,
) -> None:
    race_for_one_number(f"sqlite:///{tmp_path}/prefloop.db", tmp_path, comparisons=40, people=51)


def test_fifty_annotators_at_once_give_every_comparison_what_a_changing_policy_wants(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.create_database("mixed_race")
    race_for_many_numbers(url, tmp_path, comparisons=32, people=51)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("race", [race_for_one_number, race_for_many_numbers])
def test_a_long_race(
    race, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    ledger = race(database_url, tmp_path, comparisons=SOAK_RACE, people=SOAK_PEOPLE)
    with capsys.disabled():
        database = database_url.partition(":")[0]
        sys.stdout.write(f"\n{database}: {time.monotonic() - started:.0f} s\n{ledger.summary()}\n")
