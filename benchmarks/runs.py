"""One measured run: a fresh server, a short warm-up, the drive, and a look into the database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.db import Database, utc_now
from benchmarks import checks, ours
from benchmarks.databases import PostgresDatabases, SqliteDatabases
from benchmarks.drive import Seat, drive
from benchmarks.machine import Processes
from benchmarks.report import medians

WARM_UP = 40
"""Judgments before the measured ones: the server's caches fill."""

Databases = SqliteDatabases | PostgresDatabases


class InvariantBroken(Exception):
    """What the database holds after a drive is not what it must hold; speed is no matter then."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    database: str
    comparisons: int
    annotators: int
    through: str = "api"
    workers: int = 1
    think_seconds: float = 0.0
    judgments: int = 700
    seconds: float = 20.0

    @property
    def name(self) -> str:
        pause = f", thinking {self.think_seconds:g} s" if self.think_seconds else ""
        return f"{self.annotators} through {self.through}{pause}"


class Bench:
    """Where things are, and the databases to drive."""

    def __init__(self, prefloop: Path, databases: Sequence[Databases]) -> None:
        self.prefloop = prefloop
        self.databases = {d.name: d for d in databases}

    def medians(
        self, settings: Sequence[Setting], rounds: int, say: Callable[[str], None]
    ) -> dict[Setting, dict[str, float]]:
        """All settings in turn, and that so many times; the median of each figure.

        The order turns round in every other round, so that no setting always follows the same one.
        """
        found: dict[Setting, list[dict[str, float]]] = {setting: [] for setting in settings}
        for number in range(rounds):
            for setting in settings if number % 2 == 0 else settings[::-1]:
                size = f"{setting.comparisons:,} comparisons"
                say(f"round {number + 1}: {setting.database}, {size}, {setting.name}")
                found[setting].append(self.run(setting))
        return {setting: medians(figures) for setting, figures in found.items()}

    def run(self, setting: Setting) -> dict[str, float]:
        databases = self.databases[setting.database]
        url = databases.get(setting.comparisons)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="prefloop-bench-"))
            server = stack.enter_context(
                ours.serving(self.prefloop, url, Path(folder), workers=setting.workers)
            )
            database = Database(url)
            stack.callback(database.dispose)
            figures = measure(database, server, setting)
        if isinstance(databases, PostgresDatabases) and (pid := databases.process_id()):
            figures["database_mb"] = Processes(pid).memory_mb()
        return figures


def measure(database: Database, server: ours.Server, setting: Setting) -> dict[str, float]:
    """Drive a server that runs. Raises InvariantBroken."""
    make = ours.SEATS[setting.through]

    def seats(annotators: int) -> Callable[[], Sequence[Seat]]:
        return lambda: make(database, server, annotators)

    drive(seats(min(setting.annotators, 8)), judgments=WARM_UP, seconds=10, next_every=5)
    since, cpu = utc_now(), server.processes.cpu_seconds()
    driven = drive(
        seats(setting.annotators),
        judgments=setting.judgments,
        seconds=setting.seconds,
        think_seconds=setting.think_seconds,
        next_every=1 if setting.through == "api" else 10,
    )
    figures = driven.summary()
    figures["server_cpu"] = (server.processes.cpu_seconds() - cpu) / driven.wall_seconds
    figures["server_mb"] = server.processes.memory_mb()
    # An answer to a verdict on a page brings the next comparison, which the last one leaves.
    held = setting.annotators if setting.through == "pages" else 0
    problems = checks.look(database, since=since).problems(acknowledged=driven.judgments, held=held)
    if problems and not driven.given_up:
        raise InvariantBroken(f"{setting}: {'; '.join(problems)}")
    return figures
