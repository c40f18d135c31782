"""How fast judgments are, relative to the text shown.

Times are skewed and hold coffee breaks, so everything is on logarithms, medians and median absolute
deviations (Iglewicz & Hoaglin 1993: |z| > 3.5 is an outlier).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtrik

from app.rules.bootstrap import Floats, Statistic
from app.rules.proportions import wilson
from app.rules.significance import Tested, share_above

OUTLIER = 3.5
NORMAL_MAD = 0.6745
"""Median absolute deviation of a standard normal variable."""
FASTEST_READING = 12.0
"""Words a second that nobody reads."""
FAST_SHARE = 0.05
"""So many judgments may be that fast before anybody asks why."""

FEWEST_FOR_MEDIAN = 6
"""Five are all on one side of the median in 2 of 32 cases."""


def robust_z(values: ArrayLike) -> Floats | None:
    """(N,): 0.6745 (x - median) / MAD; None where more than half are equal, so that MAD is 0."""
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return x
    centred = x - np.median(x)
    mad = float(np.median(np.abs(centred)))
    return None if mad == 0 else NORMAL_MAD * centred / mad


def pace_z(seconds: ArrayLike, words: ArrayLike) -> Floats | None:
    """(N,): robust z of one annotator's ln(seconds) after regressing them on ln(words shown).

    Below -3.5 is faster than the text and the annotator's own pace explain. None where the
    deviation is 0. Raises ValueError for times or lengths that are not positive.
    """
    t, w = (np.asarray(values, dtype=np.float64) for values in (seconds, words))
    if (t <= 0).any() or (w <= 0).any():
        raise ValueError("seconds and words have to be positive; leave other judgments out")
    x, y = np.log(w), np.log(t)
    centred = x - x.mean() if len(x) else x
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread if spread > 0 else 0.0
    residuals = y - slope * centred
    # What is equal but for rounding has no deviation.
    return robust_z(np.round(residuals, 9))


@dataclass(frozen=True, kw_only=True)
class UnusualTimes:
    """Judgments whose time lies beyond OUTLIER deviations of what text and annotator explain."""

    share: Statistic
    fast: Statistic
    """Those on the fast side."""


def unusual_times(seconds: ArrayLike, words: ArrayLike) -> UnusualTimes:
    """Of one annotator. Undefined where more than half of the times are equal (`equal_times`)."""
    z = pace_z(seconds, words)
    if z is None:
        nothing = Statistic(value=None, n=len(np.asarray(seconds)), reason="equal_times")
        return UnusualTimes(share=nothing, fast=nothing)
    n = len(z)
    return UnusualTimes(
        share=wilson(int((np.abs(z) > OUTLIER).sum()), n, undefined="no_times"),
        fast=wilson(int((z < -OUTLIER).sum()), n, undefined="no_times"),
    )


def click_through(log_words_per_second: Sequence[float], counts: Sequence[int]) -> Tested:
    """Share of judgments faster than anybody reads, tested for being above FAST_SHARE; from a
    histogram of ln(words per second)."""
    limit = math.log(FASTEST_READING)
    fast = sum(n for x, n in zip(log_words_per_second, counts, strict=True) if x > limit)
    return share_above(fast, sum(counts), FAST_SHARE, undefined="no_times")


def median_of_bins(values: Sequence[float], counts: Sequence[int], width: float) -> Statistic:
    """Median of binned values, spread evenly over their bins; values are the bins' middles.

    The interval is that of the sign test, from one order statistic to another, which holds
    whatever the distribution.
    """
    n = sum(counts)
    if n == 0:
        return Statistic(value=None, n=0, reason="no_times")

    def at(rank: float) -> float:
        below = 0
        for value, count in sorted(zip(values, counts, strict=True)):
            if count and below + count >= rank:
                return value - width / 2 + width * (rank - below) / count
            below += count
        raise AssertionError("no rank is beyond the last value")

    ranks = _ranks_around_median(n)
    if ranks is None:
        return Statistic(value=at(n / 2), n=n, reason="too_few_judgments")
    # Of n values spread evenly, the k-th stands in the middle of the k-th of n parts.
    low, high = (at(rank - 0.5) for rank in ranks)
    return Statistic(value=at(n / 2), low=low, high=high, n=n)


def median_of(values: Sequence[float]) -> Statistic:
    """The same of the values themselves."""
    n = len(values)
    if n == 0:
        return Statistic(value=None, n=0, reason="no_times")
    middle, ranks = float(np.median(values)), _ranks_around_median(n)
    if ranks is None:
        return Statistic(value=middle, n=n, reason="too_few_judgments")
    low, high = (float(sorted(values)[rank - 1]) for rank in ranks)
    return Statistic(value=middle, low=low, high=high, n=n)


def _ranks_around_median(n: int) -> tuple[int, int] | None:
    """Ranks, from 1, of the values between which the median of the population lies with at least
    95 %; None for so few that not even all of them would do."""
    if n < FEWEST_FOR_MEDIAN:
        return None
    rank = math.ceil(bdtrik(0.025, n, 0.5))
    return rank, n + 1 - rank
