"""The demo: the whole loop on a small project whose annotators are simulated.

Everything is real but the annotators: the project is imported, judged through the queue, measured,
exported and trained on like any other. Only the simulator knows the true utility, and only this
module asks it, before and after training, what the policy's answers are worth.
"""

import json
import math
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from uuid import UUID

from app import migrate
from app.db import Database, utc_now
from app.rules.agreement import AgreementReport
from app.services import agreement, exports, imports, projects, runs
from app.services.import_files import Record
from prefloop.alignment import (
    AlignRecipe,
    AlignResult,
    align_bundle,
    headline,
    load_recipe,
    summary,
    write_index,
)
from prefloop.demo.crowd import Crowd
from prefloop.demo.world import Ask, World
from rl.generate import generate_completions
from training.bundle import Bundle
from training.progress import StageProgress

SLUG = "demo"
COMPARISONS = 600
DEMONSTRATIONS = 3000
OVERLAP = 3
SAMPLES_PER_PROMPT = 6
FIRST_JUDGMENT = timedelta(days=5)
"""How long ago the simulated annotators begin, so that the pages have a past to show."""


@dataclass(frozen=True, kw_only=True)
class Utility:
    """Mean true utility of a policy's answers to held-out prompts."""

    mean: float
    half_width: float
    """Of the normal 95 % interval over prompts; completions of one prompt are not independent."""
    prompts: int
    completions: int
    example: tuple[str, str]
    """A prompt and the answer given to it."""


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    agreement: AgreementReport
    aligned: AlignResult
    before: Utility
    after: Utility
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The object that `prefloop demo --json` prints."""
        held_out = self.aligned.rm.held_out
        interval = held_out.clustered or held_out.wilson
        return {
            "rm_accuracy": held_out.accuracy,
            "rm_accuracy_low": interval.low,
            "rm_accuracy_high": interval.high,
            "rm_held_out_pairs": held_out.n,
            "human_agreement": self.agreement.percent_agreement.value,
            "human_agreement_no_ties": self.agreement.percent_agreement_no_ties.value,
            "score_before": self.aligned.ppo.before.score_mean,
            "score_after": self.aligned.ppo.after.score_mean,
            "true_utility_before": self.before.mean,
            "true_utility_before_half_width": self.before.half_width,
            "true_utility_after": self.after.mean,
            "true_utility_after_half_width": self.after.half_width,
            "kl_per_completion": self.aligned.ppo.kl_per_completion,
            "seconds": self.seconds,
        }


def demo_recipe(*, seed: int) -> AlignRecipe:
    with as_file(files("prefloop.demo").joinpath("recipe.yaml")) as path:
        return load_recipe(path, seed=seed)


def run_demo(
    database: Database,
    out: Path,
    *,
    seed: int,
    recipe: AlignRecipe,
    comparisons: int = COMPARISONS,
    demonstrations: int = DEMONSTRATIONS,
) -> DemoResult:
    """Fill the database's project `demo`, train in `out`, and measure what changed."""
    seconds: dict[str, float] = {}
    world = World.load()
    migrate.upgrade(database)
    with _timed(seconds, "import"):
        fill_project(database, world, comparisons, demonstrations, seed=seed)
    with _timed(seconds, "judge"):
        judge(database, world, comparisons * OVERLAP, seed=seed)
    with _timed(seconds, "agreement"), database.reading() as session:
        agreed = agreement.for_project(session, projects.by_slug(session, SLUG))
    with _timed(seconds, "export"):
        bundle = out / "bundle"
        exports.export_project(database, SLUG, bundle, exports.ExportOptions(), now=utc_now())
    aligned = align_bundle(bundle, "tiny", out, recipe)
    with database.writing() as session:
        runs.record_stages(session, SLUG, out, summary(aligned), now=utc_now())
    with _timed(seconds, "utility"):
        longest = recipe.ppo.max_new_tokens
        before = true_utility(world, bundle, aligned.sft.model, seed=seed, max_new_tokens=longest)
        after = true_utility(world, bundle, aligned.ppo.model, seed=seed, max_new_tokens=longest)
    result = DemoResult(
        agreement=agreed,
        aligned=aligned,
        before=before,
        after=after,
        seconds={k: round(v, 1) for k, v in (seconds | aligned.seconds).items()},
    )
    write_index(out, demo_lines(result))
    return result


def demo_lines(result: DemoResult) -> list[tuple[str, str]]:
    """What changed, one line a number: the alignment's own, and what only the simulator knows."""
    alpha = result.agreement.krippendorff_alpha_nominal
    return [
        (
            "Krippendorff's alpha",
            f"{alpha.value:.3f} ({alpha.low:.3f} to {alpha.high:.3f}), {alpha.n} comparisons",
        ),
        *headline(result.aligned),
        (
            "true utility before, after PPO",
            f"{result.before.mean:.2f} ± {result.before.half_width:.2f}, "
            f"{result.after.mean:.2f} ± {result.after.half_width:.2f}; "
            f"{result.after.completions} completions of {result.after.prompts} held-out prompts "
            "each, known to the simulator alone",
        ),
    ]


def fill_project(
    database: Database, world: World, comparisons: int, demonstrations: int, *, seed: int
) -> None:
    """Create the project and import its prompts, drafts to compare, and demonstrations."""
    start = utc_now() - FIRST_JUDGMENT
    guideline = files("prefloop.demo").joinpath("guideline.md").read_text("utf-8")
    with database.writing() as session:
        projects.create(
            session,
            slug=SLUG,
            name="Small ideas (demo, simulated annotators)",
            question="Which answer would you rather have received?",
            overlap=OVERLAP,
            guideline=guideline,
            # A random id would give the rows another order, and the same seed other weights.
            project_id=UUID(int=seed),
            now=start,
        )
    records = _records(world, comparisons, demonstrations, random.Random(seed))
    summary = imports.import_records(
        database, SLUG, (Record(i, r) for i, r in enumerate(records, start=1)), now=start
    )
    assert not summary.rejected, f"the demo's own records are good: {summary.rejected[:1]}"


def judge(database: Database, world: World, judgments: int, *, seed: int) -> int:
    """Let the simulated annotators judge everything; gives the number of judgments."""
    crowd = Crowd(database, SLUG, world, seed=seed, start=utc_now() - FIRST_JUDGMENT)
    with StageProgress("Simulated annotators", judgments) as progress:
        return crowd.judge_all(on_judgment=lambda: progress.advance({}))


def true_utility(
    world: World, bundle: Path, policy: Path, *, seed: int, max_new_tokens: int
) -> Utility:
    """What the simulator makes of a policy's answers to the prompts that no training saw."""
    opened = Bundle.open(bundle)
    prompts = [row.prompt for split in ("validation", "test") for row in opened.prompts(split)]
    asks = {ask.text: ask for ask in world.asks}
    rows = list(
        generate_completions(
            policy,
            prompts,
            samples_per_prompt=SAMPLES_PER_PROMPT,
            max_new_tokens=max_new_tokens,
            temperature=1.0,
            seed=seed,
        )
    )
    by_prompt = [
        [
            world.utility(asks[row["prompt"][-1]["content"]], completion["text"])
            for completion in row["completions"]
        ]
        for row in rows
    ]
    means = [statistics.mean(utilities) for utilities in by_prompt]
    return Utility(
        mean=statistics.mean(means),
        half_width=1.96 * statistics.stdev(means) / math.sqrt(len(means)),
        prompts=len(means),
        completions=sum(map(len, by_prompt)),
        example=(rows[0]["prompt"][-1]["content"], rows[0]["completions"][0]["text"]),
    )


def _records(
    world: World, comparisons: int, demonstrations: int, rng: random.Random
) -> Iterator[dict[str, Any]]:
    asks = world.asks
    for i in range(comparisons):
        ask = asks[i % len(asks)]
        first, second = _two_drafts(world, ask, rng)
        yield {
            "prompt": ask.text,
            "completions": [
                {"text": first, "source": "draft writer"},
                {"text": second, "source": "draft writer"},
            ],
            "tags": [ask.topic],
        }
    for i in range(demonstrations):
        ask = asks[i % len(asks)]
        yield {
            "prompt": ask.text,
            "demonstration": {"text": world.draft(ask, rng), "source": "draft writer"},
            "tags": [ask.topic],
        }


def _two_drafts(world: World, ask: Ask, rng: random.Random) -> tuple[str, str]:
    first = second = world.draft(ask, rng)
    while second == first:
        second = world.draft(ask, rng)
    return first, second


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


def write_result(result: DemoResult, path: Path) -> None:
    path.write_text(json.dumps(result.as_dict(), indent=2) + "\n", encoding="utf-8")
