"""`make bench-agreement`: agreement over a million judgments, beside other implementations.

Everything starts from raw arrays of items, annotators and labels. Tables for people go to standard
output, progress to standard error; the last line is one JSON object. An alpha or kappa that differs
from a peer's ends the run with an error; speed that misses a goal is said.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import krippendorff
import numpy as np
from numpy.typing import NDArray
from statsmodels.stats import inter_rater

from app.rules.agreement import Table, estimate
from app.rules.bootstrap import Resampling
from app.rules.coefficients import fleiss_kappa
from app.rules.judgment_table import Judgments, count_patterns
from app.rules.krippendorff import krippendorff_alpha_nominal
from app.rules.project_sums import ProjectSums
from benchmarks.kept import batch_of, fold, kept_alpha, kept_sums, with_one_more
from benchmarks.machine import machine
from benchmarks.report import medians, print_table
from prefloop.agreement_report import Options, agreement_object
from prefloop.judgment_file import JudgmentFile, read_judgments

LABELS = ("A", "B", "tie")
PER_ITEM = 5
ROUNDS = 3
NEW_JUDGMENTS = 20
GOALS = {
    "alpha, seconds": ("alpha_s", 2.0),
    "alpha with its interval (2,000 resamples), seconds": ("alpha_interval_s", 1.0),
    "alpha from the kept sums, ms": ("kept_alpha_ms", 50.0),
    "one new judgment folded in, and alpha, ms": ("new_judgment_ms", 50.0),
    "every figure, from arrays, seconds": ("everything_s", 10.0),
    "every figure, from a JSONL file, seconds": ("file_s", 10.0),
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_judgments(n: int, annotators: int, *, seed: int = 0) -> Judgments:
    """Five labels an item, by people of different care, as they come in; one in seven is a tie."""
    rng = np.random.default_rng(seed)
    items = n // PER_ITEM
    # Five steps of a coprime stride: five different annotators, in no pattern that repeats soon.
    start, step = rng.integers(0, annotators, items), rng.integers(1, annotators // PER_ITEM, items)
    who = (start[:, None] + step[:, None] * np.arange(PER_ITEM)) % annotators
    care = rng.uniform(0.5, 0.95, annotators)[who]
    truth = rng.integers(0, 2, items)[:, None]
    draw = rng.random(who.shape)
    labels = np.where(draw < 1 / 7, 2, np.where(rng.random(who.shape) < care, truth, 1 - truth))
    arrival = rng.permutation(items * PER_ITEM)
    return Judgments(
        items=np.repeat(np.arange(items), PER_ITEM)[arrival],
        annotators=who.ravel()[arrival],
        labels=labels.ravel()[arrival],
        n_items=items,
        n_annotators=annotators,
        n_labels=len(LABELS),
    )


def table_of(judgments: Judgments) -> Table:
    patterns = count_patterns(judgments)
    return Table(counts=patterns.counts, groups=None, items=patterns.items, resampled="items")


def our_alpha(judgments: Judgments, replicates: int = 0) -> float | None:
    table = table_of(judgments)
    wanted = {"alpha": krippendorff_alpha_nominal(table.counts)}
    return estimate(table, wanted, Resampling(replicates=replicates))["alpha"].value


def our_fleiss(judgments: Judgments) -> float | None:
    table = table_of(judgments)
    wanted = {"kappa": fleiss_kappa(table.counts)}
    return estimate(table, wanted, Resampling(replicates=0))["kappa"].value


def everything(judgments: Judgments) -> object:
    names: list[str | int] = list(range(judgments.n_items))
    data = JudgmentFile(
        judgments=judgments,
        items=names,
        annotators=names[: judgments.n_annotators],
        labels=list(LABELS),
        seen=list(LABELS),
        listed=list(LABELS),
    )
    return agreement_object(data, Options(order=("A", "tie", "B")))


def peer_alpha_of_table(judgments: Judgments) -> float:
    """As the package documents it: a row for each annotator, a column for each item."""
    table = np.full((judgments.n_annotators, judgments.n_items), np.nan)
    table[judgments.annotators, judgments.items] = judgments.labels
    return float(krippendorff.alpha(table, level_of_measurement="nominal"))


def peer_alpha_of_counts(judgments: Judgments) -> float:
    """Its quicker way: labels are counted for it."""
    counts = np.zeros((judgments.n_items, judgments.n_labels), dtype=np.int64)
    np.add.at(counts, (judgments.items, judgments.labels), 1)
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def peer_fleiss(judgments: Judgments) -> float:
    """statsmodels takes a row for each item, with equally many labels in each."""
    order = np.argsort(judgments.items, kind="stable")
    counts, _ = inter_rater.aggregate_raters(judgments.labels[order].reshape(-1, PER_ITEM))
    return float(inter_rater.fleiss_kappa(counts, method="fleiss"))


def loop_alpha(judgments: Judgments) -> float:
    """Item by item in plain Python."""
    by_item: dict[int, list[int]] = {}
    for item, label in zip(judgments.items.tolist(), judgments.labels.tolist(), strict=True):
        by_item.setdefault(item, [0] * judgments.n_labels)[label] += 1
    totals, apart = [0] * judgments.n_labels, 0.0
    for counts in by_item.values():
        n = sum(counts)
        if n > 1:
            apart += sum(k * (n - k) for k in counts) / (n - 1)
            totals = [total + k for total, k in zip(totals, counts, strict=True)]
    n = sum(totals)
    return 1 - (n - 1) * apart / (n * n - sum(k * k for k in totals))


def timed(act: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    found = act()
    return time.perf_counter() - start, found


@dataclass(frozen=True)
class Bench:
    judgments: Judgments
    sums: ProjectSums
    """Of the judgments, as the server keeps them."""
    path: Path

    def round(self) -> dict[str, float]:
        """Each way once, ours and theirs in turn. Raises where two ways differ."""
        given = self.judgments
        ways: dict[str, Callable[[], object]] = {
            "alpha_s": lambda: our_alpha(given),
            "peer_table_s": lambda: peer_alpha_of_table(given),
            "alpha_interval_s": lambda: our_alpha(given, replicates=2000),
            "peer_counts_s": lambda: peer_alpha_of_counts(given),
            "kept_alpha_s": lambda: kept_alpha(self.sums),
            "loop_s": lambda: loop_alpha(given),
            "fleiss_s": lambda: our_fleiss(given),
            "peer_fleiss_s": lambda: peer_fleiss(given),
        }
        seconds, values = {}, {}
        for name, act in ways.items():
            seconds[name], values[name] = timed(act)
        for group in ("alpha_s", "peer_table_s", "alpha_interval_s", "peer_counts_s", "loop_s"):
            agree(group, values[group], values["kept_alpha_s"])
        agree("fleiss", values["fleiss_s"], values["peer_fleiss_s"])
        seconds["everything_s"], _ = timed(lambda: everything(given))
        cpu = time.process_time()
        seconds["file_s"], _ = timed(lambda: agreement_object(read_judgments(self.path), Options()))
        seconds["file_cpu_s"] = time.process_time() - cpu
        seconds["kept_alpha_ms"] = 1000 * seconds.pop("kept_alpha_s")
        seconds["new_judgment_ms"] = self._new_judgments()
        return seconds

    def _new_judgments(self) -> float:
        """A judgment comes, and alpha is looked at: milliseconds, the mean of several. Raises where
        the last alpha is not that of all judgments counted anew."""
        rng = np.random.default_rng(1)
        items = rng.choice(self.judgments.n_items, NEW_JUDGMENTS, replace=False).tolist()
        labels = rng.integers(0, len(LABELS), NEW_JUDGMENTS).tolist()
        come = [with_one_more(self.judgments, *new) for new in zip(items, labels, strict=True)]
        batches = [batch_of(judgments) for judgments in come]

        def fold_each() -> float | None:
            sums, alpha = self.sums, None
            for batch in batches:
                before = np.arange(len(batch.judged.says)) < PER_ITEM
                sums = fold(sums, batch, before)
                alpha = kept_alpha(sums)
            return alpha

        seconds, alpha = timed(fold_each)
        old = self.judgments
        everything = replace(
            old,
            items=np.concatenate([old.items, items]),
            annotators=np.concatenate([old.annotators, [new.annotators[-1] for new in come]]),
            labels=np.concatenate([old.labels, labels]),
        )
        agree("alpha after new judgments", alpha, our_alpha(everything))
        return 1000 * seconds / NEW_JUDGMENTS


def agree(name: str, found: object, expected: object) -> None:
    if not np.isclose(found, expected, rtol=0, atol=1e-9):  # type: ignore[call-overload]
        raise RuntimeError(f"{name}: {found}, but {expected} elsewhere")


def write_file(path: Path, judgments: Judgments) -> None:
    columns: tuple[NDArray[np.int64], ...] = (
        judgments.items, judgments.annotators, judgments.labels,
    )  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        for item, annotator, label in zip(*(c.tolist() for c in columns), strict=True):
            row = {"item": f"item-{item}", "annotator": f"a{annotator}", "label": LABELS[label]}
            file.write(json.dumps(row) + "\n")


def print_figures(figures: dict[str, float], n: int) -> None:
    print_table(
        f"Nominal alpha of {n:,} judgments, from arrays",
        ["way", "ms", "times ours"],
        [
            [way, 1000 * figures[name], figures[name] / figures["alpha_s"]]
            for way, name in (
                ("Prefloop", "alpha_s"),
                ("Prefloop, with a bootstrap interval", "alpha_interval_s"),
                ("krippendorff, from counts of labels", "peer_counts_s"),
                ("krippendorff, from its table of ratings", "peer_table_s"),
                ("a loop over items in Python", "loop_s"),
            )
        ],
    )
    print_table(
        "Fleiss' kappa, from arrays",
        ["way", "ms", "times ours"],
        [
            [way, 1000 * figures[name], figures[name] / figures["fleiss_s"]]
            for way, name in (("Prefloop", "fleiss_s"), ("statsmodels", "peer_fleiss_s"))
        ],
    )
    print_table(
        "Goals, for 1,000,000 judgments of 200 annotators",
        ["goal", "found", "at most", ""],
        [
            [what, figures[name], most, "yes" if figures[name] <= most else "NO"]
            for what, (name, most) in GOALS.items()
        ],
    )
    print(f"  Of the last, {figures['file_cpu_s']:.1f} s are time of the processor.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.agreement", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 judgments")
    parser.add_argument("--judgments", type=int, help="another number of judgments")
    options = parser.parse_args()
    n = options.judgments or (50_000 if options.quick else 1_000_000)
    about = machine()
    judgments = make_judgments(n, annotators=200)
    sums = kept_sums(judgments)
    with tempfile.TemporaryDirectory(prefix="prefloop-bench-") as folder:
        path = Path(folder) / "judgments.jsonl"
        write_file(path, judgments)
        bench = Bench(judgments, sums, path)
        rounds = []
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            rounds.append(bench.round())
    figures = medians(rounds)
    print_figures(figures, n)
    theirs = ("peer_counts_s", "peer_table_s", "peer_fleiss_s", "loop_s")
    result = {
        "bench": "agreement",
        "ours": {
            "judgments": n,
            **{name: value for name, value in figures.items() if name not in theirs},
            "goals_missed": [what for what, (name, most) in GOALS.items() if figures[name] > most],
        },
        "peer": {name: figures[name] for name in theirs},
        "ratio": round(figures["peer_counts_s"] / figures["alpha_s"], 1),
        "machine": about,
    }
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
