"""What judgments cost, what a comparison, a usable pair and a bit cost, and what is still to come.

Money is in the project's currency. A bit is 1 - H(p) of an aggregated label of probability p: a
certain label has one, a split one has none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from app.rules.bootstrap import Statistic
from app.rules.ceiling import label_entropy_bits
from app.rules.planning import count_probabilities
from app.rules.proportions import Z95

FEWEST_DAYS = 5


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
    per_judgment: float | None
    per_comparison: float | None
    per_usable_pair: float | None
    per_bit: float | None
    usable_pairs: int
    """Comparisons whose label is not split."""
    bits: float


def unit_costs(
    spent: float, judgments: int, probabilities: ArrayLike, comparisons: ArrayLike
) -> UnitCosts:
    """probabilities and comparisons are (N,): aggregated labels, and how many have each."""
    p, n = np.asarray(probabilities, np.float64), np.asarray(comparisons, np.int64)
    usable = int(n[p != 0.5].sum())
    bits = float(label_entropy_bits(p) @ n)
    return UnitCosts(
        spent=spent,
        per_judgment=_over(spent, judgments),
        per_comparison=_over(spent, int(n.sum())),
        per_usable_pair=_over(spent, usable),
        per_bit=_over(spent, bits),
        usable_pairs=usable,
        bits=bits,
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


@dataclass(frozen=True, kw_only=True)
class Forecast:
    judgments_left: int
    cost_left: float
    days: Statistic
    """Until they are judged at the pace of the days given; the interval is that of their mean
    pace."""


def forecast(
    judgments_left: int, cost_per_judgment: float, judged_by_day: Sequence[int]
) -> Forecast:
    """judged_by_day: the latest days, those without work as zeros. Undefined without any work
    (`no_pace`)."""
    cost = judgments_left * cost_per_judgment
    n = len(judged_by_day)
    pace = sum(judged_by_day) / n if n else 0.0
    if pace == 0:
        days = Statistic(value=None, n=n, reason="no_pace")
        return Forecast(judgments_left=judgments_left, cost_left=cost, days=days)
    value = judgments_left / pace
    if n < FEWEST_DAYS:
        days = Statistic(value=value, n=n, reason="too_few_for_interval")
        return Forecast(judgments_left=judgments_left, cost_left=cost, days=days)
    half = Z95 * float(np.std(judged_by_day, ddof=1)) / math.sqrt(n)
    slowest = pace - half
    days = Statistic(
        value=value,
        low=judgments_left / (pace + half),
        high=judgments_left / slowest if slowest > 0 else None,
        n=n,
        reason=None if slowest > 0 else "pace_too_uneven",
    )
    return Forecast(judgments_left=judgments_left, cost_left=cost, days=days)


def _over(spent: float, bought: float) -> float | None:
    return spent / bought if bought else None
