"""What judgments cost, what a comparison, a usable pair and a bit cost, and what is still to come.

Money is in the project's currency. A bit is 1 - H(p) of an aggregated label of probability p: a
certain label has one, a split one has none.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from app.rules.bootstrap import Statistic
from app.rules.ceiling import label_entropy_bits
from app.rules.planning import count_probabilities
from app.rules.proportions import Z95

FEWEST_DAYS = 5
Kind = TypeVar("Kind", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Pay:
    """What one kind of annotator is paid; both may apply."""

    per_judgment: float = 0.0
    per_hour: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.per_judgment < math.inf and 0 <= self.per_hour < math.inf):
            raise ValueError(f"{self}: expected amounts of 0 or more")

    def cost(self, judgments: float, seconds: float) -> float:
        return judgments * self.per_judgment + seconds / 3600 * self.per_hour


@dataclass(frozen=True, kw_only=True)
class UnitCosts:
    """Spend over what it bought; None where nothing was bought."""

    spent: float
    share_of_two: float
    """Of the spend, what was for comparisons of two; it alone is divided by these below."""
    judgments: int
    per_judgment: float | None
    comparisons: int
    """Of two completions, judged."""
    per_comparison: float | None
    usable_pairs: int
    """Comparisons whose label is not split."""
    per_usable_pair: float | None
    bits: float
    per_bit: float | None


def unit_costs(
    spent: float,
    judgments: int,
    probabilities: ArrayLike,
    comparisons: ArrayLike,
    *,
    share_of_two: float = 1.0,
) -> UnitCosts:
    """probabilities and comparisons are (N,): aggregated labels of comparisons of two, and how many
    have each. What was spent on larger ones is left out of what these cost."""
    p, n = np.asarray(probabilities, np.float64), np.asarray(comparisons, np.int64)
    judged, usable = int(n.sum()), int(n[p != 0.5].sum())
    bits = float(label_entropy_bits(p) @ n)
    of_two = spent * share_of_two
    return UnitCosts(
        spent=spent,
        share_of_two=share_of_two,
        judgments=judgments,
        per_judgment=_over(spent, judgments),
        comparisons=judged,
        per_comparison=_over(of_two, judged),
        usable_pairs=usable,
        per_usable_pair=_over(of_two, usable),
        bits=bits,
        per_bit=_over(of_two, bits),
    )


@dataclass(frozen=True, kw_only=True)
class ExpectedCosts:
    """Of a comparison with a planned number of judgments."""

    judgments_per_item: int
    per_comparison: float
    per_usable_pair: float
    per_bit: float
    """Of the label (x + 1) / (k + 2) where x of k prefer the first."""


def expected_costs(
    cost_per_judgment: float, concentration: float, judgments_per_item: int
) -> ExpectedCosts:
    """How contested comparisons are follows the symmetric Beta with this concentration."""
    k = judgments_per_item
    chance = count_probabilities(concentration, k)
    first = np.arange(k + 1)
    cost = k * cost_per_judgment
    return ExpectedCosts(
        judgments_per_item=k,
        per_comparison=cost,
        per_usable_pair=cost / float(chance[2 * first != k].sum()),
        per_bit=cost / float(chance @ label_entropy_bits((first + 1) / (k + 2))),
    )


def cost_to_come(
    each: Mapping[Kind, float | None], recent: Mapping[Kind, int], planted: float
) -> Statistic:
    """What a judgment that is wanted will cost, if the kinds of annotators go on as of late.

    `each` is what a judgment of a kind costs, None where that is unknown (`no_times`); `recent` is
    how many they gave, which is the n. The share `planted` of their work fills no wanted place
    (known answers and repeats) and is paid all the same.
    """
    n = sum(recent.values())
    if n == 0:
        return Statistic(value=None, n=0, reason="no_pace")
    total = 0.0
    for kind, judged in recent.items():
        cost = each[kind]
        if cost is None:
            return Statistic(value=None, n=n, reason="no_times")
        total += cost * judged
    return Statistic(value=total / n / (1 - planted), n=n)


def days_left(judgments_left: int, judged_by_day: Sequence[int]) -> Statistic:
    """Until they are judged at the pace of the days given; the interval is that of their mean pace.

    judged_by_day: the latest days, those without work as zeros. Undefined without any work
    (`no_pace`).
    """
    n = len(judged_by_day)
    pace = sum(judged_by_day) / n if n else 0.0
    if pace == 0:
        return Statistic(value=None, n=n, reason="no_pace")
    value = judgments_left / pace
    if n < FEWEST_DAYS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    half = Z95 * float(np.std(judged_by_day, ddof=1)) / math.sqrt(n)
    slowest = pace - half
    return Statistic(
        value=value,
        low=judgments_left / (pace + half),
        high=judgments_left / slowest if slowest > 0 else None,
        n=n,
        reason=None if slowest > 0 else "pace_too_uneven",
    )


def _over(spent: float, bought: float) -> float | None:
    return spent / bought if bought else None
