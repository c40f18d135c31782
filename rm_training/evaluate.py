"""How good a reward model is on held-out preferences, beside what chance and length would give.

Pure functions of scores and labels (numpy). A row whose label is undecided (probability 0.5) has no
right answer and counts only in the loss. `N` decided rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from rm_training.data import Pair

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
RESAMPLES = 2000
FEW_PROMPTS = 10


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    n: int
    prompts: int
    """Different ones among the n pairs."""
    accuracy: float
    wilson: Interval
    clustered: Interval | None
    """Resampling whole prompts; None where every row has a prompt of its own."""
    length_accuracy: float
    length_rule: str
    above_length: float
    above_length_interval: Interval
    random_accuracy: float
    nll: float
    """Mean cross-entropy with the soft labels, nats a row; 0.693 is a coin."""
    margin: float
    verdict: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def evaluate(
    scores: Floats, pairs: Sequence[Pair], *, prefer_longer: bool, seed: int
) -> Evaluation:
    """Scores (N, 2) of chosen and rejected; prefer_longer is the length rule fitted on train."""
    differences = scores[:, 0] - scores[:, 1]
    labels = np.array([pair.row.probability for pair in pairs])
    decided = labels != 0.5
    if not decided.any():
        raise ValueError("no decided rows to evaluate on")
    signs = np.where(labels > 0.5, 1.0, -1.0)[decided]
    right = (differences[decided] * signs > 0).astype(float)
    lengths = length_differences(pairs)[decided] * (1.0 if prefer_longer else -1.0)
    # Equal lengths are half a success: the rule would toss a coin.
    length_right = np.where(lengths == 0, 0.5, lengths * signs > 0)
    prompts = [pair.row.prompt_id for pair, keep in zip(pairs, decided, strict=True) if keep]
    shares_prompts = len(set(prompts)) < len(prompts)
    result = {
        "n": int(decided.sum()),
        "prompts": len(set(prompts)),
        "accuracy": float(right.mean()),
        "wilson": wilson_interval(float(right.sum()), len(right)),
        "clustered": clustered_interval(right, prompts, seed) if shares_prompts else None,
        "length_accuracy": float(length_right.mean()),
        "above_length": float((right - length_right).mean()),
        "above_length_interval": clustered_interval(right - length_right, prompts, seed),
    }
    return Evaluation(
        **result,  # type: ignore[arg-type]
        length_rule=f"choose the {'longer' if prefer_longer else 'shorter'} completion",
        random_accuracy=0.5,
        nll=cross_entropy(differences, labels),
        margin=float((differences[decided] * signs).mean()),
        verdict=_verdict(**result),  # type: ignore[arg-type]
    )


def cross_entropy(differences: Floats, labels: Floats) -> float:
    """Mean -q log sigmoid(d) - (1-q) log sigmoid(-d)."""
    terms = labels * np.logaddexp(0, -differences) + (1 - labels) * np.logaddexp(0, differences)
    return float(terms.mean())


def wilson_interval(successes: float, n: int) -> Interval:
    """95 % interval of a share, n > 0."""
    share = successes / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return Interval(centre - half, centre + half)


def clustered_interval(values: Floats, clusters: Sequence[str], seed: int) -> Interval:
    """95 % bootstrap interval of the mean, resampling whole clusters (percentiles)."""
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(numbers, weights=values)
    counts = np.bincount(numbers)
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        drawn = generator.integers(len(sums), size=len(sums))
        means[resample] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))


def length_differences(pairs: Sequence[Pair]) -> Floats:
    """Tokens by which the chosen completion is longer than the rejected one."""
    return np.array([float(pair.chosen_length - pair.rejected_length) for pair in pairs])


def longer_is_preferred(pairs: Sequence[Pair]) -> bool:
    """The direction of the length-only rule, fitted on training rows."""
    signs = np.sign([pair.row.probability - 0.5 for pair in pairs])
    return bool((np.sign(length_differences(pairs)) * signs).sum() >= 0)


def calibration(differences: Floats, labels: Floats) -> list[list[float | int | str | None]]:
    """Rows of stated confidence: band, n, mean stated, share right with its interval."""
    decided = labels != 0.5
    confidence = 1 / (1 + np.exp(-np.abs(differences[decided])))
    right = differences[decided] * (labels[decided] - 0.5) > 0
    table: list[list[float | int | str | None]] = []
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        inside = (confidence >= low) & (confidence < low + 0.1 if low < 0.9 else True)
        n = int(inside.sum())
        row: list[float | int | str | None] = [f"{low:.1f} to {low + 0.1:.1f}", n]
        if n:
            interval = wilson_interval(float(right[inside].sum()), n)
            row += [float(confidence[inside].mean()), float(right[inside].mean()), str(interval)]
        else:
            row += [None, None, None]
        table.append(row)
    return table


def slices(differences: Floats, pairs: Sequence[Pair]) -> list[list[float | int | str | None]]:
    """Accuracy with its interval where length or label confidence could explain it."""
    kinds: dict[str, Callable[[Pair], bool]] = {
        "chosen is longer": lambda pair: pair.chosen_length > pair.rejected_length,
        "chosen is shorter": lambda pair: pair.chosen_length < pair.rejected_length,
        "equal length": lambda pair: pair.chosen_length == pair.rejected_length,
        "label probability below 0.75": lambda pair: abs(pair.row.probability - 0.5) < 0.25,
        "label probability 0.75 or more": lambda pair: abs(pair.row.probability - 0.5) >= 0.25,
    }
    labels = np.array([pair.row.probability for pair in pairs])
    right = differences * (labels - 0.5) > 0
    table: list[list[float | int | str | None]] = []
    for name, belongs in kinds.items():
        inside = np.array([belongs(pair) for pair in pairs]) & (labels != 0.5)
        n = int(inside.sum())
        share = float(right[inside].mean()) if n else None
        interval = str(wilson_interval(float(right[inside].sum()), n)) if n else None
        table.append([name, n, share, interval])
    return table


def _verdict(
    *,
    n: int,
    prompts: int,
    accuracy: float,
    wilson: Interval,
    clustered: Interval | None,
    length_accuracy: float,
    above_length: float,
    above_length_interval: Interval,
) -> str:
    low = min(wilson.low, clustered.low) if clustered else wilson.low
    chance = "above" if low > 0.5 else "NOT above"
    if above_length_interval.low > 0:
        length = "above"
    elif above_length > 0:
        length = "above, but within noise of,"
    else:
        length = "NOT above"
    resampled = f", {clustered} resampling {prompts} prompts" if clustered else ""
    few = (
        f" All pairs come from {prompts} prompts, too few to say how it does on others."
        if prompts < FEW_PROMPTS
        else ""
    )
    return (
        f"Held-out accuracy {accuracy:.3f} (n = {n} pairs, 95 % interval {wilson}{resampled}) is "
        f"{chance} chance by more than its interval, and {length} the length-only baseline "
        f"{length_accuracy:.3f} (difference {above_length:+.3f}, interval {above_length_interval})."
        f"{few}"
    )
