"""Percentile intervals by resampling units, for statistics that are functions of sums.

A unit is an item, or a prompt where prompts have several items. Each unit contributes one row of
sums; a replicate draws units with replacement, adds their rows up, and evaluates the statistic.
Units with equal rows are exchangeable, so a replicate is one multinomial draw over distinct rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
REPLICATES = 2000
SEED = 20_240_501
FEWEST_UNITS = 20
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number with its n and 95 % interval, or the reason why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    reason: str | None = None
    """Why `value`, or only the interval, is undefined."""


def bootstrap(
    units: Floats, statistic: Callable[[Floats], Floats], *, n: int, undefined: str
) -> Statistic:
    """The statistic of the summed rows with its percentile interval.

    units is (U, S). statistic maps (B, S) sums to (B,) values, NaN where undefined. `undefined`
    is the reason given when it is undefined on the data; replicates where it is undefined are left
    out of the interval.
    """
    value = float(statistic(units.sum(axis=0, keepdims=True))[0]) if len(units) else float("nan")
    if np.isnan(value):
        return Statistic(value=None, n=n, reason=undefined)
    if len(units) < FEWEST_UNITS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    rows, counts = np.unique(units, axis=0, return_counts=True)
    rng = np.random.default_rng(SEED)
    step = max(1, _CELLS_AT_ONCE // len(rows))
    replicates = [
        statistic(
            rng.multinomial(len(units), counts / len(units), size=min(step, REPLICATES - start))
            @ rows
        )
        for start in range(0, REPLICATES, step)
    ]
    low, high = np.nanpercentile(np.concatenate(replicates), [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)
