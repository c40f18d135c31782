"""The long form of the crashes: 50,000 judgments on each database. `test_race.py` has long races.

Half of the people work on the pages and half through the API, on two servers of two workers each,
while workers, servers and the database are killed again and again.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from helpers.load_crashes import ON_POSTGRESQL, ON_SQLITE, Crash, Crashes
from helpers.load_ledger import Ledger, Outcome
from helpers.load_run import Load, assert_all_promises_kept, assert_everything_happened
from helpers.load_servers import Servers
from helpers.load_site import make_load_site
from helpers.load_stored import Stored
from helpers.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]

LEASE_SECONDS = 5
JUDGMENTS = int(os.environ.get("SOAK_JUDGMENTS", "50000"))
# Of a hundred judgments about eighty are normal work, three for each comparison; some more, because
# chance decides how many.
COMPARISONS = JUDGMENTS * 82 // 100 // 3


@pytest.fixture(params=["sqlite", "postgresql"])
def postgres(request: pytest.FixtureRequest) -> PostgresServer | None:
    return request.getfixturevalue("own_postgres") if request.param == "postgresql" else None


def test_fifty_thousand_judgments_under_faults_keep_every_promise(
    postgres: PostgresServer | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if postgres is None:
        url, kinds = f"sqlite:///{tmp_path}/prefloop.db", ON_SQLITE
    else:
        url, kinds = postgres.create_database("soak"), ON_POSTGRESQL
    # A tenth of the comparisons becomes gold.
    invited = make_load_site(url, comparisons=COMPARISONS * 11 // 10, people=51)
    started = time.monotonic()
    with Servers(url, tmp_path, count=2, workers=2, lease_seconds=LEASE_SECONDS) as servers:
        crashes = Crashes(
            servers=servers,
            kinds=[*kinds, Crash.ONE_WORKER],
            most=10_000,
            seed=1,
            seconds_between=(15, 45),
            postgres=postgres,
        )
        load = Load(
            url=url,
            ports=servers.ports,
            invited=invited,
            lease_seconds=LEASE_SECONDS,
            seed=1,
            trouble=crashes,
        )
        ledger = load.run(seconds=4 * 3600 - 600)
    seconds = time.monotonic() - started
    with capsys.disabled():
        sys.stdout.write(f"\n{url.partition(':')[0]}: {seconds:.0f} s\n")
        sys.stdout.write(figures(ledger, Stored.read(url)))
    assert_all_promises_kept(url, ledger)
    assert_everything_happened(url, ledger)
    assert len(ledger.acknowledged()) >= JUDGMENTS
    # A short run has fewer of them, 45 s apart at most with the time to start again.
    assert Crashes.count(ledger) >= max(1, min(len(kinds), seconds // 60))


def figures(ledger: Ledger, stored: Stored) -> str:
    """What happened, for `docs/experiments.md`."""
    outcomes = Counter(sent.outcome for sent in ledger.sent)
    kinds = Counter(row["kind"] for row in stored.judgments)
    late = sum(bool(row["late"]) for row in stored.judgments)
    return "\n".join(
        [
            f"{outcomes[Outcome.ACKNOWLEDGED]} verdicts acknowledged",
            f"{len(stored.judgments)} judgments stored",
            f"kinds {dict(kinds)}, {late} late, {len(ledger.skipped)} skipped",
            ledger.summary() + "\n",
        ]
    )
