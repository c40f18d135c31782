"""The result of a PPO run, what it says in words, and what its report shows."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from rl.evaluate import Evaluated, PolicyEvaluation, mean_interval
from training.charts import Chart, Note, ReportPart, SampleList, Table

FEW_PROMPTS = 10
LARGE_LENGTH_CHANGE = 0.2
CHARTS = (
    Chart(
        title="Score",
        unit="reward model output",
        series={"score_mean": "mean of a rollout"},
        band=("score_low", "score_high"),
        note="On training prompts. The band is one standard deviation of the completions.",
    ),
    Chart(
        title="Reward",
        unit="deviations of the reference's score",
        series={"reward_mean": "mean of a rollout"},
        note=(
            "What PPO maximises: the normalised score, one below the lowest where a completion is "
            "cut, minus the KL penalty."
        ),
    ),
    Chart(
        title="KL from the reference",
        unit="nats per completion",
        series={"kl_per_completion": "sampled estimate"},
    ),
    Chart(title="Entropy", unit="nats per token", series={"entropy": "policy"}),
    Chart(
        title="Length",
        unit="tokens per completion",
        series={"completion_tokens_mean": "mean", "completion_tokens_p95": "95th percentile"},
    ),
    Chart(
        title="Ending and repetition",
        unit="share of completions, of runs",
        series={
            "eos_rate": "with an end token",
            "repeated_share": "repeated runs of three tokens",
        },
    ),
    Chart(
        title="Value fit",
        unit="explained variance",
        series={"value_explained_variance": "of returns, before training on them"},
        note="1 is perfect, 0 is a constant; negative is worse than a constant.",
    ),
    Chart(title="Value loss", unit="squared deviations", series={"value_loss": "value model"}),
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
    Chart(title="KL coefficient", unit="reward per nat", series={"kl_coef": "kl_coef"}),
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
    """Of the 95 % interval of the mean difference of paired completions, clustered by prompt."""
    score_gain_high: float
    score_gain_of_length: float
    """What the change of length alone predicts, by a line through the reference's completions."""
    kl_per_completion: float
    """Nats from the reference, on held-out prompts."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "model": str(self.model)}


def make_result(
    run: Path, *, updates: int, over_budget: bool, before: Evaluated, after: Evaluated
) -> PPOResult:
    differences = torch.tensor(after.scores).double() - torch.tensor(before.scores).double()
    prompts = torch.arange(len(differences)) % before.evaluation.prompts
    low, high = mean_interval(differences, prompts)
    longer = after.evaluation.completion_tokens_mean - before.evaluation.completion_tokens_mean
    return PPOResult(
        run=run,
        model=run / "model",
        updates=updates,
        stopped="kl_budget" if over_budget else "updates",
        before=before.evaluation,
        after=after.evaluation,
        score_gain=float(differences.mean()),
        score_gain_low=low,
        score_gain_high=high,
        score_gain_of_length=longer * slope(before.tokens, before.scores),
        kl_per_completion=after.evaluation.kl_per_completion,
    )


def slope(x: list[float], y: list[float]) -> float:
    """Of the least-squares line of y over x; 0 where x does not vary."""
    table = torch.tensor([x, y], dtype=torch.float64)
    centred = table - table.mean(1, keepdim=True)
    variance = float(centred[0].square().sum())
    return float((centred[0] * centred[1]).sum()) / variance if variance > 0 else 0.0


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
    interval = "undefined with one prompt" if math.isnan(low) else f"{low:.3f} to {high:.3f}"
    few = " These prompts are too few to say how the policy does on others."
    doubt = few if after.prompts < FEW_PROMPTS else ""
    ending = "" if result.stopped == "updates" else " The run ended early at its KL budget."
    return (
        f"{change}: {before.score_mean:.3f} before, {after.score_mean:.3f} after, a difference of "
        f"{result.score_gain:.3f} (95 % interval {interval}; {after.completions} completions of "
        f"{after.prompts} held-out prompts), at {after.kl_per_completion:.2f} nats per completion "
        f"from the reference.{ending}{doubt} The score is the reward model's opinion, not a "
        "person's."
    )


def warnings(result: PPOResult) -> list[str]:
    """Sentences about what may have been gained without any gain for people; none if nothing is."""
    before, after = result.before, result.after
    found = []
    change = after.completion_tokens_mean / before.completion_tokens_mean - 1
    if abs(change) > LARGE_LENGTH_CHANGE:
        found.append(
            f"Completions became {abs(change):.0%} {'longer' if change > 0 else 'shorter'}. On the "
            f"reference's completions, length alone predicts {result.score_gain_of_length:+.3f} of "
            f"the score's {result.score_gain:+.3f}."
        )
    if after.eos_rate < min(0.5, before.eos_rate):
        found.append(
            f"Only {after.eos_rate:.0%} of the completions end by themselves ({before.eos_rate:.0%}"
            " before); the others are cut at max_new_tokens."
        )
    if after.repeated_share > 2 * before.repeated_share + 0.02:
        found.append(
            f"Completions repeat themselves: {after.repeated_share:.1%} of their runs of three "
            f"tokens were written before, {before.repeated_share:.1%} before training."
        )
    return found


def report_parts(result: PPOResult) -> list[ReportPart]:
    before, after = result.before, result.after
    rows: list[list[str | float | int | None]] = [
        ["score, mean", before.score_mean, after.score_mean],
        ["score, standard deviation", before.score_std, after.score_std],
        ["KL, nats per completion", before.kl_per_completion, after.kl_per_completion],
        ["tokens per completion", before.completion_tokens_mean, after.completion_tokens_mean],
        ["share with an end token", before.eos_rate, after.eos_rate],
        ["share of repeated runs of three", before.repeated_share, after.repeated_share],
    ]
    nothing = "Length, ending and repetition give no sign of it. The samples below are the rest."
    return [
        Note(title="Verdict", text=verdict(result)),
        Note(title="Signs of reward hacking", text=" ".join(warnings(result)) or nothing),
        Table(
            title="Held-out prompts before and after",
            columns=["", "before", "after"],
            rows=rows,
            n=after.completions,
            note="The same prompts and random numbers; completions that were cut are closed.",
        ),
        SampleList(
            title="Samples",
            note="The same held-out prompts at the first and at the last look.",
        ),
        *CHARTS,
    ]
