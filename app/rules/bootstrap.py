"""Percentile intervals by resampling units, for statistics that are functions of sums.

A unit is what is drawn as a whole: an item, a prompt with all its items, a group of prompts. Each
unit contributes one row of sums; a replicate draws as many units as there are, with replacement,
adds their rows up, and evaluates the statistic. Statistics with the same units see the same draws,
and which others are asked for changes none of them. Units with equal rows are exchangeable, so a
million items with a few dozen kinds of counts cost what a few dozen do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
_ROUNDING = 1e-12
"""Where resamples differ by no more, all units are alike. They say nothing of others that are not,
and an interval without width would claim to be certain."""
_FEW_GROUPS = 256
"""Draws of at most so many units are kept, for the next statistics: a page has dozens of slices."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number with its n and 95 % interval, or the reason why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    reason: str | None = None
    """Why `value`, or only the interval, is undefined."""
    undefined_replicates: int = 0
    """Resamples that have no value and are left out of the interval; with more than half of them
    there is none."""


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
    a row belong to; None makes every single item a unit. The units of a statistic are those with an
    item that adds to its sums.
    """
    found: dict[int, Statistic] = {}
    of_units: dict[bytes, list[int]] = {}
    for i, summed in enumerate(wanted):
        of_units.setdefault(_used(summed).tobytes(), []).append(i)
    for places in of_units.values():
        some = [wanted[i] for i in places]
        found.update(zip(places, _with_same_units(some, groups, items, resampling), strict=True))
    return [found[i] for i in range(len(wanted))]


def _used(summed: Summed) -> Mask:
    return summed.counts if summed.also is None else summed.counts | summed.also


def _with_same_units(
    wanted: Sequence[Summed], groups: Integers | None, items: Integers, resampling: Resampling
) -> list[Statistic]:
    used = _used(wanted[0])
    rows = np.column_stack([summed.rows for summed in wanted])[used]
    if groups is None:
        units, times = rows, items[used]
    else:
        units = _sum_by_group(rows * items[used, None], groups[used])
        times = np.ones(len(units), np.int64)
        if len(units) > _FEW_GROUPS:
            units, times = _distinct(units)
    ends = np.cumsum([summed.rows.shape[1] for summed in wanted])[:-1]
    totals = np.split((times @ units)[None, :], ends, axis=1)
    enough = int(times.sum()) >= FEWEST_UNITS and resampling.replicates > 0
    drawn = sums_of_draws(units, times, resampling) if enough else units[:0]
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
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    # Where half of the draws have no value, the others are no fair picture of the uncertainty.
    if not len(defined) or undefined > len(defined):
        reason = "not_resampled"
        return Statistic(value=value, n=n, reason=reason, undefined_replicates=undefined)
    if np.ptp(defined) <= _ROUNDING:
        return Statistic(value=value, n=n, reason="no_variation", undefined_replicates=undefined)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Statistic(
        value=value, low=float(low), high=float(high), n=n, undefined_replicates=undefined
    )


def sums_of_draws(units: Floats, times: Integers, resampling: Resampling) -> Floats:
    """(replicates, S): the sums of units drawn with replacement; units are (U, S), times (U,)."""
    width, n = len(units), int(times.sum())
    if n == width <= _FEW_GROUPS:
        few: Floats = _draws_of_few(width, resampling) @ units
        return few
    rng = np.random.default_rng(resampling.seed)
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


@lru_cache(maxsize=16)
def _draws_of_few(units: int, resampling: Resampling) -> NDArray[np.uint16]:
    """(replicates, units): how often each unit is drawn."""
    rng = np.random.default_rng(resampling.seed)
    places = rng.integers(0, units, size=(resampling.replicates, units))
    places += np.arange(0, resampling.replicates * units, units)[:, None]
    times = np.bincount(places.ravel(), minlength=places.size)
    return times.reshape(places.shape).astype(np.uint16)


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
