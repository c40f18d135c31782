"""How accurate a reward model can be at best, from how far annotators agree.

Let pi be the probability that a random annotator prefers the first response. Two random annotators
agree with probability a = E[pi^2 + (1 - pi)^2], and the best guess of one fresh label is right
with probability c = E[max(pi, 1 - pi)]. Agreement alone gives sharp bounds of c; how the labels of
single items spread narrows them. Ties are left out: agreement is that without ties.

Against the majority of m labels the best guess is right with E[max(M, 1 - M)], where M is the
probability that the majority prefers the first. As a function of pi^2 + (1 - pi)^2 it is concave,
so both bounds hold for every odd m, the lower one unchanged.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc, betaincinv, betaln

from app.rules.bootstrap import (
    FEWEST_UNITS,
    Floats,
    Integers,
    Resampling,
    Statistic,
    Summed,
    bootstrap,
)

BOUNDS_ASSUMPTION = (
    "Annotators are exchangeable. Lower bound: every comparison is a coin toss or certain. "
    "Upper bound: all comparisons are equally contested."
)
BETA_ASSUMPTION = (
    "Annotators are exchangeable, and the share of them who prefer the first response follows a "
    "symmetric Beta distribution over comparisons."
)
_CONCENTRATIONS = np.exp(np.linspace(math.log(0.005), math.log(200), 321))
"""Candidates of the Beta's parameter; neighbours differ by 3 %."""
_POINTS = (np.arange(2000) + 0.5) / 2000


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The best accuracy against the majority of `labels` fresh labels (1: against one label)."""

    labels: int
    lower: Statistic
    """Its interval is that of the agreement."""
    upper: Statistic
    assumption: str = BOUNDS_ASSUMPTION


def bounds(agreement: Statistic, *, labels: int = 1) -> Ceiling:
    """Between agreement and what equally contested comparisons would give.

    Undefined with the agreement; the upper bound also where agreement is below one half
    (`below_chance`), which only finite samples have. Raises ValueError for an even number of
    labels.
    """
    a = agreement.value
    if a is None:
        return Ceiling(labels=labels, lower=agreement, upper=agreement)
    if a < 0.5:
        upper = Statistic(value=None, n=agreement.n, reason="below_chance")
        return Ceiling(labels=labels, lower=agreement, upper=upper)
    upper = replace(
        agreement,
        value=_majority(_best(a), labels),
        low=None if agreement.low is None else _majority(_best(agreement.low), labels),
        high=None if agreement.high is None else _majority(_best(agreement.high), labels),
    )
    return Ceiling(labels=labels, lower=agreement, upper=upper)


def single_label_accuracy(agreement: Statistic) -> Statistic:
    """How often one label is right, if every comparison has one right answer that each annotator
    finds with the same probability s, independently: a = s^2 + (1 - s)^2."""
    return bounds(agreement).upper


def majority_accuracy(accuracy: float, labels: int) -> float:
    """How often the majority of independent labels of this accuracy is right; labels are odd."""
    return _majority(accuracy, labels)


@dataclass(frozen=True, kw_only=True)
class BetaCeiling:
    concentration: Statistic
    """The parameter of the symmetric Beta; 0 is certainty everywhere, infinity coin tosses."""
    ceilings: dict[int, Statistic]
    """By the number of labels whose majority is predicted."""
    assumption: str = BETA_ASSUMPTION


def beta_ceiling(
    first: Integers,
    second: Integers,
    groups: Integers,
    items: Integers,
    *,
    labels: tuple[int, ...] = (1, 3, 5),
    resampling: Resampling = Resampling(),
) -> BetaCeiling:
    """Beta-binomial maximum likelihood from items with two labels or more, ties left out.

    All (N,): labels for the first and for the second, the unit of resampling, and how many items a
    row stands for. The Beta is symmetric because which response is first is arbitrary. Undefined
    without 20 items of three labels or more (`needs_three_labels`): two labels tell the agreement
    and nothing else.
    """
    n = first + second
    several = int(items[n >= 3].sum())
    if several < FEWEST_UNITS:
        nothing = Statistic(value=None, n=several, reason="needs_three_labels")
        return BetaCeiling(concentration=nothing, ceilings=dict.fromkeys(labels, nothing))
    counts = n >= 2
    rows = _log_likelihood(first, second) * counts[:, None]
    likelihood = Summed(
        rows=rows, counts=counts, statistic=_most_likely, undefined="needs_three_labels"
    )
    (concentration,) = bootstrap([likelihood], groups, items, resampling)
    return BetaCeiling(
        concentration=concentration, ceilings={m: _ceiling_at(concentration, m) for m in labels}
    )


def concentration_of(agreement: float) -> float:
    """The symmetric Beta's parameter at this agreement, a = 1/2 + 1 / (2 (2 alpha + 1)).

    Raises ValueError unless 0.5 < agreement < 1.
    """
    if not 0.5 < agreement < 1:
        raise ValueError(f"agreement is {agreement}; a symmetric Beta has one between 0.5 and 1")
    return (1 / (2 * agreement - 1) - 1) / 2


def _best(agreement: float) -> float:
    """The larger pi with this agreement; one half below chance."""
    return (1 + math.sqrt(max(0.0, 2 * agreement - 1))) / 2


def _majority(p: float, labels: int) -> float:
    if labels < 1 or labels % 2 == 0:
        raise ValueError(f"{labels} labels: a majority needs an odd number")
    return float(bdtrc(labels // 2, labels, p))


def _log_likelihood(first: Integers, second: Integers) -> Floats:
    """(N, C) for each candidate concentration."""
    a = _CONCENTRATIONS[None, :]
    values: Floats = betaln(a + first[:, None], a + second[:, None]) - betaln(a, a)
    return values


def _most_likely(sums: Floats) -> Floats:
    """(B,): the concentration at which each row of (B, C) is highest, between candidates by a
    parabola."""
    rows, last = np.arange(len(sums)), sums.shape[1] - 1
    top = np.argmax(sums, axis=1)
    middle = np.clip(top, 1, last - 1)
    left, at, right = (sums[rows, middle + shift] for shift in (-1, 0, 1))
    bend = left - 2 * at + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros(len(sums)), where=bend < 0)
    inside = (top > 0) & (top < last)
    places = np.where(inside, middle + np.clip(shift, -1, 1), top)
    found: Floats = np.exp(np.interp(places, np.arange(last + 1), np.log(_CONCENTRATIONS)))
    return found


def _ceiling_at(concentration: Statistic, labels: int) -> Statistic:
    """A larger concentration is a lower ceiling, so the ends of the interval change places."""

    def at(value: float | None) -> float | None:
        return None if value is None else beta_accuracy(value, labels)

    c = concentration
    return replace(c, value=at(c.value), low=at(c.high), high=at(c.low))


def beta_accuracy(concentration: float, labels: int) -> float:
    """The ceiling under a symmetric Beta: 1/2 + 1 / (4^alpha alpha B(alpha, alpha)) for one label
    (its mean absolute deviation), numerically for the majority of an odd number."""
    if labels == 1:
        logarithm = concentration * math.log(4) + math.log(concentration)
        return 0.5 + math.exp(-logarithm - float(betaln(concentration, concentration)))
    _majority(0.5, labels)
    p = betaincinv(concentration, concentration, _POINTS / 2)
    return float(np.mean(bdtr(labels // 2, labels, p)))


def label_entropy_bits(p: ArrayLike) -> Floats:
    """(N,): 1 - H(p) bits, what a label of probability p tells; 0 at one half, 1 when certain."""
    q = np.clip(np.asarray(p, dtype=np.float64), 1e-300, 1.0)
    r = np.clip(1 - np.asarray(p, dtype=np.float64), 1e-300, 1.0)
    bits: Floats = 1 + q * np.log2(q) + r * np.log2(r)
    return bits
