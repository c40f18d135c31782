"""Percentile intervals by resampling units, for statistics that are functions of sums.

A unit is what is drawn as a whole: an item, a prompt with all its items, a group of prompts. Each
unit contributes one row of sums; a replicate draws as many units as there are, with replacement,
adds their rows up, and evaluates every statistic on the same draw.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
REPLICATES = 2000
SEED = 20_240_501
FEWEST_UNITS = 20
_CELLS_AT_ONCE = 4_000_000
_MULTINOMIAL_COST = 30
"""Drawing how often one of several distinct rows comes costs as much as drawing this many units."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number with its n and 95 % interval, or the reason why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    reason: str | None = None
    """Why `value`, or only the interval, is undefined."""


@dataclass(frozen=True, kw_only=True)
class Summed:
    """A statistic that is a function of sums over items."""

    rows: Floats
    """(N, S): what each item adds to the sums; all 0 for one that does not count."""
    counts: NDArray[np.bool_]
    """(N,): which items count."""
    statistic: Callable[[Floats], Floats]
    """Maps (B, S) sums to (B,) values, NaN where undefined."""
    undefined: str
    """The reason given when it is undefined on the data."""


def bootstrap(wanted: Sequence[Summed], groups: Integers, items: Integers) -> list[Statistic]:
    """The statistics of all items, each with its percentile interval.

    groups is (N,): the unit of each item. items is (N,): how many equal items a row stands for.
    Replicates in which a statistic is undefined are left out of its interval.
    """
    used = np.any([summed.counts for summed in wanted], axis=0)
    rows = np.column_stack([summed.rows for summed in wanted])[used] * items[used, None]
    units = _sum_by_group(rows, groups[used])
    ends = np.cumsum([summed.rows.shape[1] for summed in wanted])
    totals = np.split(units.sum(axis=0, keepdims=True), ends[:-1], axis=1)
    enough = len(units) >= FEWEST_UNITS
    replicates = np.split(_replicates(units) if enough else units[:0], ends[:-1], axis=1)
    return [
        _statistic(summed, total, drawn, groups, items)
        for summed, total, drawn in zip(wanted, totals, replicates, strict=True)
    ]


def _statistic(
    summed: Summed, total: Floats, replicates: Floats, groups: Integers, items: Integers
) -> Statistic:
    n = int(items[summed.counts].sum())
    value = float(summed.statistic(total)[0]) if n else float("nan")
    if np.isnan(value):
        return Statistic(value=None, n=n, reason=summed.undefined)
    if len(np.unique(groups[summed.counts])) < FEWEST_UNITS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    low, high = np.nanpercentile(summed.statistic(replicates), [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)


def _replicates(units: Floats) -> Floats:
    """(REPLICATES, S): the sums of units drawn with replacement."""
    rng = np.random.default_rng(SEED)
    rows, times = np.unique(units, axis=0, return_counts=True)
    # Units with equal rows are exchangeable, so one may draw how often each distinct row comes.
    is_repetitive = len(units) > _MULTINOMIAL_COST * len(rows)
    width = len(rows) if is_repetitive else len(units)
    parts = []
    for size in _parts(max(1, _CELLS_AT_ONCE // width)):
        if is_repetitive:
            drawn = rng.multinomial(len(units), times / len(units), size=size)
            parts.append(drawn @ rows)
        else:
            places = rng.integers(0, width, size=(size, width), dtype=np.int32)
            places += np.arange(0, size * width, width, dtype=np.int32)[:, None]
            drawn = np.bincount(places.ravel(), minlength=size * width).reshape(size, width)
            parts.append(drawn @ units)
    return np.concatenate(parts)


def _parts(step: int) -> Iterator[int]:
    """How many replicates to draw at a time."""
    for start in range(0, REPLICATES, step):
        yield min(step, REPLICATES - start)


def _sum_by_group(rows: Floats, groups: Integers) -> Floats:
    """(N, S) rows summed within each group: (U, S)."""
    names, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums
