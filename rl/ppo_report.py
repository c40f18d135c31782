"""The result of a PPO run, and what its report shows of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rl.evaluate import Evaluated, PolicyEvaluation
from training.charts import Chart, Note, ReportPart, Table

CHARTS = (
    Chart(
        title="Score",
        unit="reward model output",
        series={"score_mean": "mean of a rollout"},
        band=("score_low", "score_high"),
        note="The band is one standard deviation of the completions on either side.",
    ),
    Chart(
        title="KL from the reference",
        unit="nats per completion",
        series={"kl_per_completion": "sampled estimate"},
    ),
    Chart(title="KL coefficient", unit="reward per nat", series={"kl_coef": "kl_coef"}),
    Chart(title="Entropy", unit="nats per token", series={"entropy": "policy"}),
    Chart(
        title="Length",
        unit="tokens per completion",
        series={"completion_tokens_mean": "mean", "completion_tokens_p95": "95th percentile"},
    ),
    Chart(
        title="Completions that end",
        unit="share",
        series={"eos_rate": "with an end token"},
    ),
    Chart(
        title="Value fit",
        unit="explained variance",
        series={"value_explained_variance": "of returns, before training on them"},
        note="1 is perfect, 0 is a constant; negative is worse than a constant.",
    ),
    Chart(
        title="Clip fraction",
        unit="share of tokens",
        series={"clip_fraction": "policy", "value_clip_fraction": "value model"},
    ),
    Chart(
        title="Gradient norm",
        unit="before clipping",
        series={"policy_grad_norm": "policy", "value_grad_norm": "value model"},
    ),
)


@dataclass(frozen=True, kw_only=True)
class PPOResult:
    run: Path
    model: Path
    updates: int
    stopped: str
    """`updates` when all were done, `kl_budget` when the policy had moved too far before."""
    before: PolicyEvaluation
    after: PolicyEvaluation
    score_gain: float
    score_gain_low: float
    """Of the normal 95 % interval of the mean difference between paired completions."""
    score_gain_high: float
    kl_per_completion: float
    """Nats from the reference, on held-out prompts."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "model": str(self.model)}


def make_result(
    run: Path, *, updates: int, over_budget: bool, before: Evaluated, after: Evaluated
) -> PPOResult:
    differences = torch.tensor(after.scores) - torch.tensor(before.scores)
    gain = float(differences.mean())
    half_width = float(1.96 * differences.std() / len(differences) ** 0.5)
    return PPOResult(
        run=run,
        model=run / "model",
        updates=updates,
        stopped="kl_budget" if over_budget else "updates",
        before=before.evaluation,
        after=after.evaluation,
        score_gain=gain,
        score_gain_low=gain - half_width,
        score_gain_high=gain + half_width,
        kl_per_completion=after.evaluation.kl_per_completion,
    )


def verdict(result: PPOResult) -> str:
    """One paragraph for people: what changed, by how much, and how sure that is."""
    before, after = result.before, result.after
    low, high = result.score_gain_low, result.score_gain_high
    if low > 0:
        change = "The score rose"
    elif high < 0:
        change = "The score fell"
    else:
        change = "No change of the score is clear of noise"
    ending = "" if result.stopped == "updates" else " The run ended early at its KL budget."
    return (
        f"{change}: {before.score_mean:.3f} before, {after.score_mean:.3f} after, a difference of "
        f"{result.score_gain:.3f} (95 % interval {low:.3f} to {high:.3f}, n = {after.completions} "
        f"completions on held-out prompts), at {after.kl_per_completion:.2f} nats per completion "
        f"from the reference.{ending} The score is the reward model's opinion, not a person's."
    )


def report_parts(result: PPOResult) -> list[ReportPart]:
    before, after = result.before, result.after
    rows: list[list[str | float | int | None]] = [
        ["score, mean", before.score_mean, after.score_mean],
        ["score, standard deviation", before.score_std, after.score_std],
        ["KL, nats per completion", before.kl_per_completion, after.kl_per_completion],
        ["tokens per completion", before.completion_tokens_mean, after.completion_tokens_mean],
        ["share with an end token", before.eos_rate, after.eos_rate],
    ]
    return [
        Note(title="Verdict", text=verdict(result)),
        *CHARTS,
        Table(
            title="Held-out prompts before and after",
            columns=["", "before", "after"],
            rows=rows,
            n=after.completions,
            note="The same prompts and random numbers; completions that were cut are closed.",
        ),
    ]
