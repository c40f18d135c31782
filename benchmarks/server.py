"""`make bench-server`: annotators at work on small and large projects, beside Label Studio.

Tables for people go to standard output, progress to standard error; the last line is one JSON
object. Speed that misses a goal is said; an invariant that is broken ends the run with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import dashboard, label_studio, peer
from benchmarks.dashboard import PageTimes
from benchmarks.databases import POSTGRES_SETTINGS, PostgresDatabases, SqliteDatabases
from benchmarks.machine import machine
from benchmarks.report import print_table
from benchmarks.runs import Bench, Databases, Setting

WORKERS = {"sqlite": 2, "postgresql": 2}
"""What we recommend on two cores: on SQLite all but the writing is done beside the one writer."""
GOAL_ANNOTATORS = 32
PARTS = ("drive", "pages", "peer")


@dataclass(frozen=True)
class Goal:
    what: str
    found: float
    wanted: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


@dataclass(frozen=True, kw_only=True)
class Plan:
    small: int = 1_000
    large: int = 1_000_000
    rounds: int = 3
    annotators: tuple[int, ...] = (1, 8, 32, 200)
    judgments: int = 900
    think_seconds: float = 5.0
    think_for: float = 30.0
    page_repeats: int = 5
    pages: Sequence[str] = dashboard.PAGES
    their_judgments: int = 300
    our_judgments: int = 1_500


QUICK = Plan(
    large=20_000,
    rounds=1,
    annotators=(GOAL_ANNOTATORS,),
    judgments=200,
    think_for=0.0,
    page_repeats=2,
    pages=("overview", "agreement"),
    their_judgments=40,
    our_judgments=400,
)

Measured = dict[Setting, dict[str, float]]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def settings_of(plan: Plan) -> list[Setting]:
    """What annotators do through the API, then through pages, then thinking, then by workers."""
    found = []
    for database, workers in WORKERS.items():
        for comparisons in (plan.small, plan.large):
            base = Setting(
                database=database,
                comparisons=comparisons,
                annotators=GOAL_ANNOTATORS,
                workers=workers,
                judgments=plan.judgments,
            )
            found += [replace(base, annotators=n) for n in plan.annotators]
            if plan.rounds > 1:
                found += [replace(base, through="pages"), replace(base, workers=3 - workers)]
            if plan.think_for and comparisons == plan.large:
                thinking = replace(base, annotators=200, judgments=1_000_000)
                found.append(
                    replace(thinking, think_seconds=plan.think_seconds, seconds=plan.think_for)
                )
    return found


def print_drives(measured: Measured) -> None:
    headers = [
        "database", "comparisons", "annotators", "workers", "judgments/s",
        "next ms: median", "p95", "p99", "submit ms: median", "p95", "p99",
        "errors", "server MB", "server CPU", "client CPU",
    ]  # fmt: skip
    names = [
        "judgments_per_second",
        *(f"{act}_{q}_ms" for act in ("next", "submit") for q in ("median", "p95", "p99")),
        "errors", "server_mb", "server_cpu", "client_cpu",
    ]  # fmt: skip
    rows = [
        [s.database, s.comparisons, s.name, s.workers, *(figures.get(name) for name in names)]
        for s, figures in measured.items()
    ]
    print_table(
        "Annotators at work. Without thinking each asks and submits as fast as it is answered. "
        "CPU in cores.",
        headers,
        rows,
    )
    print(
        "  Through pages a submit brings the next comparison with it; every tenth time the page is "
        "opened anew (next)."
    )


def print_pages(measured: dict[str, list[PageTimes]], comparisons: int) -> None:
    rows = [
        [database, page.page, page.cold, page.warm, page.warm_first_byte, page.kilobytes]
        for database, pages in measured.items()
        for page in pages
    ]
    headers = ["database", "page", "cold s", "warm s", "first byte s", "KiB"]
    print_table(
        f"An admin's pages at {comparisons:,} comparisons. Cold is the first request of a server "
        "that has just started.",
        headers,
        rows,
    )


def print_peer(name: str, ours: dict[str, dict[str, float]], theirs: dict[str, float]) -> None:
    names = [
        "judgments_per_second", "next_median_ms", "next_p95_ms", "submit_median_ms",
        "submit_p95_ms", "beyond_overlap_share", "errors", "server_mb", "client_cpu",
    ]  # fmt: skip
    rows = [
        [who, *(figures.get(figure) for figure in names)]
        for who, figures in (
            (name, theirs),
            *((f"Prefloop through {through}", figures) for through, figures in ours.items()),
        )
    ]
    print_table(
        f"{label_studio.ANNOTATORS} annotators, {label_studio.TASKS:,} pairs, overlap 1, SQLite, "
        "each as its start command runs it",
        ["server", *(figure.replace("_", " ") for figure in names)],
        rows,
    )


def sizes_at_goal(measured: Measured) -> dict[str, dict[int, dict[str, float]]]:
    """By database and number of comparisons: the drives that the goals are about."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for setting, figures in measured.items():
        if replace(setting, judgments=0) == replace(
            setting, judgments=0, annotators=GOAL_ANNOTATORS, through="api",
            workers=WORKERS[setting.database], think_seconds=0.0,
        ):  # fmt: skip
            found.setdefault(setting.database, {})[setting.comparisons] = figures
    return found


def goals(measured: Measured, pages: dict[str, list[PageTimes]], ratio: float | None) -> list[Goal]:
    found = []
    for database, sizes in sizes_at_goal(measured).items():
        for comparisons, figures in sizes.items():
            where = f"{GOAL_ANNOTATORS} annotators, {database}, {comparisons:,} comparisons"
            found += [
                Goal(f"p95 of next, ms: {where}", figures["next_p95_ms"], 100),
                Goal(f"p95 of submit, ms: {where}", figures["submit_p95_ms"], 150),
            ]
        small, large = (sizes[comparisons] for comparisons in sorted(sizes))
        for name in ("next_median_ms", "next_p95_ms", "submit_median_ms", "submit_p95_ms"):
            what = f"large / small project: {name.removesuffix('_ms')}, {database}"
            found.append(Goal(what, large[name] / small[name], 1.5))
    for database, times in pages.items():
        slowest = max(times, key=lambda page: page.cold)
        found.append(Goal(f"slowest admin page, s: {slowest.page}, {database}", slowest.cold, 1.0))
    if ratio is not None:
        found.append(Goal("judgments/s, ours / Label Studio's", ratio, 20, at_least=True))
    return found


def print_goals(found: Sequence[Goal]) -> None:
    print_table(
        "Goals",
        ["goal", "found", "", "wanted", ""],
        [
            [g.what, g.found, ">=" if g.at_least else "<=", g.wanted, "yes" if g.reached else "NO"]
            for g in found
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.server", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="seeded databases")
    parser.add_argument("--peer", type=Path, help="environment with Label Studio; none without")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, help="alternating rounds, of which medians are taken")
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan()
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    prefloop = Path(sys.executable).parent / "prefloop"
    about = machine()
    measured: Measured = {}
    pages: dict[str, list[PageTimes]] = {}
    ours: dict[str, dict[str, float]] = {}
    theirs: dict[str, float] = {}
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresDatabases(folder))
        databases: list[Databases] = [SqliteDatabases(folder), postgres]
        if "drive" in options.only:
            measured = Bench(prefloop, databases).medians(settings_of(plan), plan.rounds, say)
            print_drives(measured)
            print(f"  PostgreSQL runs with {POSTGRES_SETTINGS}")
        if "pages" in options.only:
            for found in databases:
                say(f"admin pages: {found.name}, {plan.large:,} comparisons")
                url = found.get(plan.large)
                pages[found.name] = dashboard.measure(
                    prefloop, url, repeats=plan.page_repeats, pages=plan.pages
                )
            print_pages(pages, plan.large)
    if "peer" in options.only and options.peer is not None:
        environment = options.peer.absolute()
        ours, theirs = peer.compare(
            prefloop,
            environment,
            folder,
            rounds=plan.rounds,
            their_judgments=plan.their_judgments,
            our_judgments=plan.our_judgments,
            say=say,
        )
        print_peer(f"Label Studio {label_studio.installed_version(environment)}", ours, theirs)
    rates = [figures["judgments_per_second"] for figures in (ours.get("api"), theirs) if figures]
    ratio = round(rates[0] / rates[1], 1) if len(rates) == 2 else None
    reached = goals(measured, pages, ratio)
    print_goals(reached)
    drives = [{**asdict(setting), **figures} for setting, figures in measured.items()]
    result = {
        "bench": "server",
        "ours": {
            "beside_peer": ours,
            "drives": drives,
            "admin_pages": {
                name: [asdict(page) for page in found] for name, found in pages.items()
            },
            "goals_missed": [goal.what for goal in reached if not goal.reached],
        },
        "peer": theirs or None,
        "ratio": ratio,
        "machine": about,
    }
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
