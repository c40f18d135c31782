"""Exact intervals and tests of shares, and which of many tests to act on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc, betaincinv, ndtr

from app.rules.bootstrap import FEWEST_UNITS, Statistic
from app.rules.proportions import Z95, wilson

FALSE_DISCOVERY_RATE = 0.1
LARGE_CELLS = 500
"""Here the two tests differ by less than 0.03, and the exact one takes a hundred times as long."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A statistic, and how likely something as far from its null value is by chance."""

    statistic: Statistic
    p: float | None
    """Two-sided unless said otherwise; None where the statistic is undefined."""


def clopper_pearson(successes: int, n: int, *, undefined: str = "no_data") -> Statistic:
    """A share with its exact 95 % interval (Clopper & Pearson 1934), for what people are paid by.

    It holds the true share in at least 95 % whatever that is, and is wider than Wilson's.
    """
    if n == 0:
        return Statistic(value=None, n=0, reason=undefined)
    low = betaincinv(successes, n - successes + 1, 0.025) if successes else 0.0
    high = betaincinv(successes + 1, n - successes, 0.975) if successes < n else 1.0
    return Statistic(value=successes / n, low=float(low), high=float(high), n=n)


def share(successes: int, n: int) -> Tested:
    """A share with Wilson's interval and the exact binomial test against one half."""
    found = wilson(successes, n)
    if not n:
        return Tested(statistic=found, p=None)
    # Both tails are equal, so that one of them is enough; a page has hundreds of these tests.
    p = min(1.0, 2 * float(bdtr(min(successes, n - successes), n, 0.5)))
    return Tested(statistic=found, p=p)


def share_above(successes: int, n: int, limit: float, *, undefined: str = "no_data") -> Tested:
    """A share with Wilson's interval and the exact binomial test of whether it is above `limit`;
    its p has one side."""
    found = wilson(successes, n, undefined=undefined)
    if not n:
        return Tested(statistic=found, p=None)
    p = float(bdtrc(successes - 1, n, limit)) if successes else 1.0
    return Tested(statistic=found, p=p)


def share_beside(successes: int, n: int, others: int, others_n: int) -> Tested:
    """A share with Wilson's interval, tested against that of the others: by Fisher's exact test,
    and by Pearson's chi-squared where LARGE_CELLS are expected in every cell."""
    found = wilson(successes, n)
    if not n or not others_n:
        return Tested(statistic=found, p=None)
    table = np.array([[successes, n - successes], [others, others_n - others]])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if expected.min() < LARGE_CELLS:
        from scipy.stats import fisher_exact  # Late, as above.

        return Tested(statistic=found, p=float(fisher_exact(table).pvalue))
    distance = float(((table - expected) ** 2 / expected).sum())
    return Tested(statistic=found, p=math.erfc(math.sqrt(distance / 2)))


def trend(times: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> Tested:
    """By how much a share changes per unit of time, with the Cochran-Armitage test (1955).

    (T,) each. `successes` may be fractional (credits from 0 to 1): the variance p (1 - p) is then
    an upper bound and the test errs on the safe side. Undefined with a single time, and where the
    share is 0 or 1 throughout. n counts the trials.
    """
    t, k, n = (np.asarray(values, dtype=np.float64) for values in (times, successes, trials))
    total = float(n.sum())
    if total == 0:
        return Tested(statistic=Statistic(value=None, n=0, reason="no_data"), p=None)
    p = float(k.sum()) / total
    centred = t - (n @ t) / total
    spread = float(n @ centred**2)
    if spread == 0:
        return Tested(statistic=Statistic(value=None, n=int(total), reason="one_time"), p=None)
    slope = float(centred @ k) / spread
    if p in (0.0, 1.0):
        return Tested(statistic=Statistic(value=0.0, n=int(total), reason="one_outcome"), p=None)
    error = math.sqrt(p * (1 - p) / spread)
    if total < FEWEST_UNITS:
        found = Statistic(value=slope, n=int(total), reason="too_few_judgments")
        return Tested(statistic=found, p=None)
    return Tested(
        statistic=Statistic(
            value=slope, low=slope - Z95 * error, high=slope + Z95 * error, n=int(total)
        ),
        p=float(2 * ndtr(-abs(slope) / error)),
    )


def discoveries(
    p_values: Sequence[float | None], *, rate: float = FALSE_DISCOVERY_RATE
) -> list[bool]:
    """Which tests to flag, so that on average at most `rate` of the flags are false.

    Benjamini & Hochberg 1995, JRSS B 57, 289. An undefined test is never flagged and not counted.
    """
    known = sorted(p for p in p_values if p is not None)
    passing = [p for place, p in enumerate(known, start=1) if p <= rate * place / len(known)]
    limit = passing[-1] if passing else -1.0
    return [p is not None and p <= limit for p in p_values]
