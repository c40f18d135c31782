"""Label Studio and ours in turn: the same pairs, the same annotators, SQLite, overlap 1."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from app.db import Database, utc_now
from app.models.accounts import Role
from app.services import accounts, projects
from benchmarks import checks, label_studio, ours
from benchmarks.drive import drive
from benchmarks.label_studio import ANNOTATORS, TASKS
from benchmarks.pairs import Pair, make_pairs, write_import_file
from benchmarks.report import medians
from benchmarks.runs import Setting, measure
from benchmarks.seed import SLUG, annotator_name


def compare(
    prefloop: Path,
    environment: Path,
    folder: Path,
    *,
    rounds: int,
    their_judgments: int,
    our_judgments: int,
    say: Callable[[str], None],
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Medians of ours, through the API and through pages, and of theirs."""
    pairs = make_pairs(TASKS)
    prepared = label_studio.prepare(environment, folder, pairs, ANNOTATORS)
    found: dict[str, list[dict[str, float]]] = {"peer": [], "api": [], "pages": []}
    for number in range(rounds):
        say(f"round {number + 1}: Label Studio, {ANNOTATORS} annotators")
        found["peer"].append(_run_theirs(environment, prepared, their_judgments))
        for through in ("api", "pages"):
            say(f"round {number + 1}: ours through {through}, {ANNOTATORS} annotators")
            found[through].append(_run_ours(prefloop, pairs, through, our_judgments))
    theirs = medians(found.pop("peer"))
    return {through: medians(rounds) for through, rounds in found.items()}, theirs


def _run_theirs(
    environment: Path, prepared: label_studio.Prepared, judgments: int
) -> dict[str, float]:
    with (
        label_studio.fresh_copy(prepared) as data,
        label_studio.serving(environment, data) as server,
    ):

        def seats() -> Sequence[label_studio.Seat]:
            return [
                label_studio.Seat(server.port, prepared.project, account)
                for account in prepared.accounts
            ]

        drive(seats, judgments=ANNOTATORS, seconds=60)
        before, total_before = label_studio.judged_beyond_overlap(server.database)
        cpu = server.processes.cpu_seconds()
        driven = drive(seats, judgments=judgments, seconds=300)
        beyond, total = label_studio.judged_beyond_overlap(server.database)
        return {
            **driven.summary(),
            "server_cpu": (server.processes.cpu_seconds() - cpu) / driven.wall_seconds,
            "server_mb": server.processes.memory_mb(),
            "beyond_overlap_share": (beyond - before) / max(1, total - total_before),
        }


def _run_ours(prefloop: Path, pairs: list[Pair], through: str, judgments: int) -> dict[str, float]:
    setting = Setting(
        database="sqlite",
        comparisons=len(pairs),
        annotators=ANNOTATORS,
        through=through,
        judgments=judgments,
        seconds=300,
    )
    with tempfile.TemporaryDirectory(prefix="prefloop-bench-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/prefloop.db"
        _fill(prefloop, folder, url, pairs)
        database = Database(url)
        since = utc_now()
        with ours.serving(prefloop, url, folder, workers=setting.workers) as server:
            figures = measure(database, server, setting)
        beyond = checks.look(database, since=since).beyond_overlap
        database.dispose()
    return {**figures, "beyond_overlap_share": beyond / figures["judgments"]}


def _fill(prefloop: Path, folder: Path, url: str, pairs: list[Pair]) -> None:
    """As a user does it: migrate, create the project, import the file, add people."""
    write_import_file(folder / "pairs.jsonl", pairs)
    for command in (
        ["db", "upgrade"],
        ["project", "create", SLUG, "--overlap", "1"],
        ["import", "--project", SLUG, str(folder / "pairs.jsonl")],
    ):
        result = subprocess.run(
            [prefloop, *command],
            check=False,
            cwd=folder,
            env={"PREFLOOP_DATABASE_URL": url, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise RuntimeError(f"prefloop {' '.join(command)}: {result.stderr}")
    database = Database(url)
    with database.writing() as session:
        project = projects.by_slug(session, SLUG)
        for number in range(ANNOTATORS):
            person = accounts.create_person(
                session,
                name=annotator_name(number),
                password=None,
                role=Role.ANNOTATOR,
                now=utc_now(),
            )
            projects.add_member(session, project, person, now=utc_now())
    database.dispose()
