"""Percentile intervals by resampling units, for statistics that are functions of sums.

A unit is what is drawn as a whole: an item, a prompt with all its items, a group of prompts. Each
unit contributes one row of sums; a replicate draws as many units as there are, with replacement,
adds their rows up, and evaluates every statistic on the same draw. Units with equal rows are
exchangeable, so a million items with a few dozen kinds of counts cost what a few dozen do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
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
    counts: Mask
    """(N,): which items count in its n."""
    statistic: Callable[[Floats], Floats]
    """Maps (B, S) sums to (B,) values, NaN where undefined."""
    undefined: str
    """The reason given when it is undefined on the data."""
    also: Mask | None = None
    """(N,): items outside its n that add to the sums all the same, as single labels may."""
    trials: bool = False
    """Whether it is the share of items that succeed, each of which does so wholly or not at all."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How often to draw, and from which seed; with 0 replicates there are no intervals."""

    replicates: int = REPLICATES
    seed: int = SEED


def bootstrap(
    wanted: Sequence[Summed],
    groups: Integers | None,
    items: Integers,
    resampling: Resampling = Resampling(),
) -> list[Statistic]:
    """The statistics of all items, each with its percentile interval.

    items is (N,): how many equal items a row stands for. groups is (N,): the unit that the items of
    a row belong to; None makes every single item a unit. Replicates in which a statistic is
    undefined are left out of its interval.
    """
    used = np.any([s.counts if s.also is None else s.counts | s.also for s in wanted], axis=0)
    rows = np.column_stack([summed.rows for summed in wanted])[used]
    if groups is None:
        units, times = rows, items[used]
    else:
        units, times = _distinct(_sum_by_group(rows * items[used, None], groups[used]))
    ends = np.cumsum([summed.rows.shape[1] for summed in wanted])[:-1]
    totals = np.split((times @ units)[None, :], ends, axis=1)
    enough = int(times.sum()) >= FEWEST_UNITS and resampling.replicates > 0
    drawn = _replicates(units, times, resampling) if enough else units[:0]
    return [
        _statistic(summed, total, replicates, groups, items)
        for summed, total, replicates in zip(
            wanted, totals, np.split(drawn, ends, axis=1), strict=True
        )
    ]


def _statistic(
    summed: Summed, total: Floats, replicates: Floats, groups: Integers | None, items: Integers
) -> Statistic:
    n = int(items[summed.counts].sum())
    value = float(summed.statistic(total)[0]) if n else float("nan")
    if np.isnan(value):
        return Statistic(value=None, n=n, reason=summed.undefined)
    units = n if groups is None else len(np.unique(groups[summed.counts]))
    if units < FEWEST_UNITS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    values = summed.statistic(replicates)
    values = values[~np.isnan(values)]
    if not len(values):
        return Statistic(value=value, n=n, reason="not_resampled")
    low, high = np.percentile(values, [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)


def _replicates(units: Floats, times: Integers, resampling: Resampling) -> Floats:
    """(replicates, S): the sums of units drawn with replacement; units are (U, S), times (U,)."""
    rng = np.random.default_rng(resampling.seed)
    width, n = len(units), int(times.sum())
    is_repetitive = n > _MULTINOMIAL_COST * width
    owners = np.repeat(np.arange(width, dtype=np.int32), 0 if is_repetitive else times)
    parts = []
    for size in _parts(resampling.replicates, max(1, _CELLS_AT_ONCE // max(width, len(owners)))):
        if is_repetitive:
            drawn = rng.multinomial(n, times / n, size=size)
        else:
            places = owners[rng.integers(0, n, size=(size, n), dtype=np.int32)].astype(np.int64)
            places += np.arange(0, size * width, width)[:, None]
            drawn = np.bincount(places.ravel(), minlength=size * width).reshape(size, width)
        parts.append(drawn @ units)
    return np.concatenate(parts)


def _parts(replicates: int, step: int) -> Iterator[int]:
    """How many replicates to draw at a time."""
    for start in range(0, replicates, step):
        yield min(step, replicates - start)


def _sum_by_group(rows: Floats, groups: Integers) -> Floats:
    """(N, S) rows summed within each group: (U, S)."""
    names, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums


def _distinct(units: Floats) -> tuple[Floats, Integers]:
    """Equal units once, and how often each comes. Sums of the same numbers in another order differ
    in their last digits, which must change neither what is equal nor the order of the draws."""
    _, first, times = np.unique(np.round(units, 9), axis=0, return_index=True, return_counts=True)
    return units[first], times
