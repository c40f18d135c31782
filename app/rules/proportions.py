"""Intervals of shares of independent trials."""

import math

from app.rules.bootstrap import Statistic

Z95 = 1.959963984540054


def wilson(successes: float, n: int, *, undefined: str = "no_data") -> Statistic:
    """A share with its 95 % Wilson score interval (Wilson, 1927).

    `successes` may be fractional where a trial can earn partial credit.
    """
    if n == 0:
        return Statistic(value=None, n=0, reason=undefined)
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Statistic(value=p, low=max(0.0, centre - half), high=min(1.0, centre + half), n=n)
