"""How many judgments reach a goal: sample sizes, interval widths, and which overlap serves best.

Half-widths are those of 95 % intervals. Items are comparisons; all formulas take them as
independent, and a measured design effect widens them where prompts have several.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, comb, ndtri

from app.rules.bootstrap import Floats, Statistic
from app.rules.ceiling import concentration_of
from app.rules.proportions import Z95


def items_for_side_bias(rate: float, *, power: float = 0.8) -> int:
    """Decisive judgments that tell this share of side A from one half, at 5 % (normal test)."""
    needed = Z95 / 2 + ndtri(power) * math.sqrt(rate * (1 - rate))
    return math.ceil((needed / (rate - 0.5)) ** 2)


def kappa_error(kappa: float, share: float, items: float) -> float:
    """Standard error of kappa of two raters, two labels, the first given in `share` of the cases.

    Var = (1 - k) / N [(1 - k)(1 - 2 k) + k (2 - k) / (2 share (1 - share))]
    (Bloch & Kraemer 1989, Biometrics 45).
    """
    spread = (1 - kappa) * (1 - 2 * kappa) + kappa * (2 - kappa) / (2 * share * (1 - share))
    return math.sqrt((1 - kappa) / items * spread)


def items_for_kappa(kappa: float, share: float, error: float) -> int:
    """Items for a wanted standard error of kappa, rounded up."""
    return math.ceil((kappa_error(kappa, share, 1) / error) ** 2)


@dataclass(frozen=True, kw_only=True)
class WidthAt:
    items: int
    """Comparisons with two judgments."""
    half_width: float


def half_widths(agreement: Statistic, items: Sequence[int]) -> list[WidthAt]:
    """The interval that agreement would have with other numbers of doubly judged comparisons.

    A measured interval keeps its design effect; without one, items count as independent. Empty
    where agreement is undefined, or 0 or 1, which say nothing about its variance.
    """
    a = agreement.value
    if a is None or a in (0.0, 1.0):
        return []
    per_item = Z95 * math.sqrt(a * (1 - a))
    if agreement.low is not None and agreement.high is not None:
        per_item = (agreement.high - agreement.low) / 2 * math.sqrt(agreement.n)
    return [WidthAt(items=n, half_width=per_item / math.sqrt(n)) for n in items if n > 0]


@dataclass(frozen=True, kw_only=True)
class OverlapOption:
    """What one number of judgments per comparison needs to reach a half-width of agreement."""

    judgments_per_item: int
    items: int
    judgments: int


def overlap_options(
    agreement: float,
    half_width: float,
    *,
    judgments_per_item: Sequence[int] = (2, 3, 4, 5),
    design_effect: float = 1.0,
) -> list[OverlapOption]:
    """The fewest judgments first.

    How contested comparisons are is taken to follow the symmetric Beta with this agreement.
    Raises ValueError unless 0.5 < agreement < 1.
    """
    concentration = concentration_of(agreement)
    options = []
    for k in judgments_per_item:
        variance = agreement_variance(concentration, k)
        items = math.ceil(Z95**2 * design_effect * variance / half_width**2)
        options.append(OverlapOption(judgments_per_item=k, items=items, judgments=k * items))
    return sorted(options, key=lambda option: (option.judgments, option.judgments_per_item))


def agreement_variance(concentration: float, judgments: int) -> float:
    """Of one item's share of equal pairs, under a symmetric Beta."""
    k = judgments
    first = np.arange(k + 1)
    agreed = (first * (first - 1) + (k - first) * (k - first - 1)) / (k * (k - 1))
    chance = count_probabilities(concentration, k)
    mean = chance @ agreed
    return float(chance @ (agreed - mean) ** 2)


def count_probabilities(concentration: float, judgments: int) -> Floats:
    """(k + 1,): how likely 0, 1, ... of k judgments prefer the first (beta-binomial)."""
    first = np.arange(judgments + 1)
    logarithms = betaln(concentration + first, concentration + judgments - first) - betaln(
        concentration, concentration
    )
    chance: Floats = comb(judgments, first) * np.exp(logarithms)
    return chance


def design_effect(agreement: Statistic) -> float:
    """By how much the measured variance exceeds that of independent items with two labels; 1 where
    there is no interval to tell. It is below 1 where items have more labels than two."""
    a = agreement.value
    if a is None or agreement.low is None or agreement.high is None or a in (0.0, 1.0):
        return 1.0
    error = (agreement.high - agreement.low) / (2 * Z95)
    return error**2 * agreement.n / (a * (1 - a))
