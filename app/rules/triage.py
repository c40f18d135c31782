"""Which disagreement to decide first: expected gain per second of a reviewer's time.

The gain follows from how often each label was given alone, so comparisons with equal counts rank
together and a large project is ranked by its few patterns of counts.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

LabelCounts = tuple[int, int, int, int]
"""How often `first`, `second`, `tie` and `both_bad` were given."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Comparisons with equal label counts."""

    counts: LabelCounts
    comparisons: int
    gain: float


def gain(counts: LabelCounts, mean_agreement: float) -> float:
    """4 p (1 - p) (1 - P), between 0 and 1.

    p is the probability that a random annotator prefers the first response, under a symmetric
    Beta(1, 1) prior with a tie as half a vote for each. P is the share of pairs of judgments with
    the same label, shrunk to the project's mean agreement as if by one more pair.
    """
    first, second = counts[:2]
    judgments = sum(counts)
    p = (first + (judgments - first - second) / 2 + 1) / (judgments + 2)
    pairs = judgments * (judgments - 1) / 2
    same = sum(n * (n - 1) / 2 for n in counts)
    return 4 * p * (1 - p) * (1 - (same + mean_agreement) / (pairs + 1))


def mean_agreement(comparisons: Mapping[LabelCounts, int]) -> float:
    """The mean over comparisons with two judgments or more of the share of equal pairs; 0.5 where
    there are none, which then says nothing for or against any of them."""
    total = 0.0
    n = 0
    for counts, number in comparisons.items():
        judgments = sum(counts)
        if judgments > 1 and number > 0:
            same = sum(k * (k - 1) for k in counts)
            total += number * same / (judgments * (judgments - 1))
            n += number
    return total / n if n else 0.5


def ranked(comparisons: Mapping[LabelCounts, int]) -> list[Pattern]:
    """The patterns with more than one label, highest gain first; `comparisons` counts all patterns
    of the project, also those without a disagreement."""
    mean = mean_agreement(comparisons)
    patterns = [
        Pattern(counts=counts, comparisons=number, gain=gain(counts, mean))
        for counts, number in comparisons.items()
        if number > 0 and sum(n > 0 for n in counts) > 1
    ]
    return sorted(patterns, key=lambda pattern: (-pattern.gain, pattern.counts))


def expected_seconds(taken: Sequence[float], typical: float) -> float:
    """How long one more judgment takes: the mean of the times taken and of one typical time."""
    return (sum(taken) + typical) / (len(taken) + 1)


def typical_seconds(taken: Iterable[Sequence[float]]) -> float:
    """The mean of all known times; 1 where none is known, so that gain alone decides."""
    known = [seconds for times in taken for seconds in times]
    return max(sum(known) / len(known), 0.001) if known else 1.0


def first_for(reviewer: UUID, best: Sequence[UUID]) -> UUID | None:
    """Which of the best comparisons this reviewer gets first: another one for each reviewer, so
    that two who work at once rarely decide the same. None where there is none."""
    return min(
        best,
        key=lambda comparison: hashlib.sha256(comparison.bytes + reviewer.bytes).digest(),
        default=None,
    )
