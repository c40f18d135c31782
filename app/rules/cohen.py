"""Cohen's kappa for pairs of annotators, on the items that both judged.

(K, q, q) `tables` hold for each pair how often the first gave label a and the second label b.
kappa = 1 - sum_ab w_ab o_ab / sum_ab w_ab e_ab with the chance table e of the two label shares:
w_ab = [a != b] (Cohen 1960) or (v_a - v_b)^2 (Cohen 1968). Undefined where the chance of a
difference is 0: both always gave the same single label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.rules.bootstrap import (
    FEWEST_UNITS,
    Floats,
    Integers,
    Mask,
    Resampling,
    Statistic,
    Summed,
    bootstrap,
)
from app.rules.coefficients import ratio
from app.rules.judgment_table import Judgments
from app.rules.proportions import Z95

FEWEST_LARGE = 50
"""Items that two annotators share from which a kappa has its large-sample interval."""
_MOST_CELLS = 20_000_000


@dataclass(frozen=True, kw_only=True)
class AnnotatorPairs:
    """The pairs of annotators who share an item."""

    first: Integers
    """(K,): annotator numbers, in ascending order with `second`; first < second."""
    second: Integers
    tables: Integers
    """(K, q, q)."""
    n_items: int
    """Items with two judgments or more."""


def annotator_pairs(judgments: Judgments) -> AnnotatorPairs:
    """Every two judgments of one item are counted once: time grows with their number."""
    r, q = judgments.n_annotators, judgments.n_labels
    side = r * q
    walk = _Walk(judgments)
    if side * side <= _MOST_CELLS:
        dense = np.zeros(side * side, dtype=np.int64)
        for _, codes in walk:
            dense += np.bincount(codes, minlength=side * side)
        codes, times = np.flatnonzero(dense), dense[dense > 0]
    else:
        codes, times = _collect(walk)
    upper, lower = np.divmod(codes, side or 1)
    first, a = np.divmod(upper, q or 1)
    second, b = np.divmod(lower, q or 1)
    pairs, index = np.unique(first * r + second, return_inverse=True)
    tables = np.zeros((len(pairs), q, q), dtype=np.int64)
    tables[index, a, b] = times
    return AnnotatorPairs(
        first=pairs // (r or 1),
        second=pairs % (r or 1),
        tables=tables,
        n_items=int((np.bincount(judgments.items) > 1).sum()),
    )


def kappas(tables: Integers | Floats, values: Sequence[float] | None = None) -> Floats:
    """(K,): NaN where undefined. `values` (q,) weighs differences by their squared size."""
    q = tables.shape[-1]
    observed = tables.astype(np.float64)
    apart = _distances(q, values)
    n = observed.sum(axis=(1, 2))
    first, second = observed.sum(axis=2), observed.sum(axis=1)
    expected = ((first @ apart) * second).sum(axis=1)
    kappa: Floats = 1 - ratio(n * (observed * apart).sum(axis=(1, 2)), expected)
    return kappa


def pair_kappa(
    table: Integers,
    values: Sequence[float] | None = None,
    resampling: Resampling = Resampling(),
) -> Statistic:
    """Kappa of one (q, q) table, weighted where there are values. Its interval has the large-sample
    standard error (Fleiss, Cohen and Everitt 1969) from 50 items on that both judged, and resamples
    these items below."""
    n, q = int(table.sum()), len(table)
    value = float(kappas(table[None], values)[0]) if n else float("nan")
    if n >= FEWEST_LARGE and not np.isnan(value):
        # Of the multinomial the derivatives by its cells are centred: their squares add up to the
        # variance.
        half = Z95 * float(np.sqrt((table * _gradients(table[None], values)[0] ** 2).sum()))
        return Statistic(value=value, low=max(-1.0, value - half), high=min(1.0, value + half), n=n)
    summed = Summed(
        rows=np.eye(q * q),
        counts=np.ones(q * q, dtype=bool),
        statistic=lambda sums: kappas(sums.reshape(-1, q, q), values),
        undefined="one_category" if n else "no_overlap",
    )
    return bootstrap([summed], None, table.reshape(-1), resampling)[0]


def mean_kappa(judgments: Judgments, pairs: AnnotatorPairs) -> Statistic:
    """The mean of the defined kappas; n is their number.

    The interval is that of the delta method over items (infinitesimal jackknife; Efron 1982,
    ch. 6): each item's influence is the sum of those of its pairs of judgments. It agrees with the
    bootstrap of items, which would take a table of every pair for every replicate. Pairs that share
    fewer than 20 items on average have no interval: a kappa of few items is far from linear.
    """
    found = kappas(pairs.tables)
    defined = ~np.isnan(found)
    n = int(defined.sum())
    if n == 0:
        reason = "one_category" if len(found) else "no_overlap"
        return Statistic(value=None, n=0, reason=reason)
    mean = float(found[defined].mean())
    if pairs.tables[defined].sum() < FEWEST_UNITS * n:
        return Statistic(value=mean, n=n, reason="too_few_for_interval")
    influence = _item_influence(judgments, pairs, defined)
    # An item has a share 1/N in every sum, so that influences add up to 0 and need no centring.
    scale = pairs.n_items / (pairs.n_items - 1)
    half = Z95 * float(np.sqrt(scale * (influence**2).sum()))
    return Statistic(value=mean, low=max(-1.0, mean - half), high=min(1.0, mean + half), n=n)


class _Walk:
    """All pairs of judgments of one item, in parts: where the first stands, and a code of both.

    The code is (annotator * q + label) of the first, times R q, plus that of the second.
    """

    def __init__(self, judgments: Judgments) -> None:
        self.order = np.lexsort((judgments.annotators, judgments.items))
        items = judgments.items[self.order]
        self._who = (judgments.annotators * judgments.n_labels + judgments.labels)[self.order]
        self._side = judgments.n_annotators * judgments.n_labels
        ends = np.cumsum(np.bincount(items, minlength=judgments.n_items))
        self._left = ends[items] - 1 - np.arange(len(items))

    def __iter__(self) -> Iterator[tuple[Integers, Integers]]:
        places, step = np.arange(len(self._who)), 1
        while len(places := places[self._left[places] >= step]):
            yield places, self._who[places] * self._side + self._who[places + step]
            step += 1


def _collect(walk: _Walk) -> tuple[Integers, Integers]:
    """The distinct codes in ascending order, and how often each comes."""
    codes, times = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for _, more in walk:
        found, n = np.unique(more, return_counts=True)
        codes, index = np.unique(np.concatenate([codes, found]), return_inverse=True)
        times = np.bincount(index, weights=np.concatenate([times, n])).astype(np.int64)
    return codes, times


def _item_influence(judgments: Judgments, pairs: AnnotatorPairs, defined: Mask) -> Floats:
    """(N,): what one more of each item would add to the mean of the defined kappas."""
    r, q = judgments.n_annotators, judgments.n_labels
    gradients = np.zeros(pairs.tables.shape)
    gradients[defined] = _gradients(pairs.tables[defined]) / defined.sum()
    side, label = r * q, np.arange(q)
    upper = (pairs.first[:, None] * q + label)[:, :, None]
    codes = (upper * side + (pairs.second[:, None] * q + label)[:, None, :]).reshape(-1)
    walk = _Walk(judgments)
    by_judgment = np.zeros(len(judgments.items))
    if side * side <= _MOST_CELLS:
        by_code = np.zeros(side * side)
        by_code[codes] = gradients.reshape(-1)
        for places, found in walk:
            by_judgment[places] += by_code[found]
    else:
        order = np.argsort(codes)
        codes, by_cell = codes[order], gradients.reshape(-1)[order]
        for places, found in walk:
            by_judgment[places] += by_cell[np.searchsorted(codes, found)]
    by_item = np.zeros(judgments.n_items)
    np.add.at(by_item, judgments.items[walk.order], by_judgment)
    return by_item


def _gradients(tables: Integers, values: Sequence[float] | None = None) -> Floats:
    """(K, q, q): the derivative of kappa by each cell of its table."""
    apart = _distances(tables.shape[-1], values)
    n = tables.sum(axis=(1, 2)).astype(np.float64)[:, None, None]
    first, second = tables.sum(axis=2) / n[:, 0], tables.sum(axis=1) / n[:, 0]
    observed = (tables * apart).sum(axis=(1, 2))[:, None, None] / n
    to_second, to_first = second @ apart, first @ apart
    expected = (first * to_second).sum(axis=1)[:, None, None]
    by_observed = (apart - observed) / n
    by_expected = (to_second[:, :, None] + to_first[:, None, :] - 2 * expected) / n
    gradient: Floats = observed * by_expected / expected**2 - by_observed / expected
    return gradient


def _distances(q: int, values: Sequence[float] | None) -> Floats:
    if values is None:
        return 1 - np.eye(q)
    v = np.asarray(values, dtype=np.float64)
    distances: Floats = (v[:, None] - v) ** 2
    return distances
