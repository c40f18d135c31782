"""Krippendorff's alpha (Content Analysis, 2004, ch. 11): nominal, ordinal, interval.

alpha = 1 - (n - 1) sum_ck o_ck d_ck / sum_ck n_c n_k d_ck, where o_ck are the coincidences of
labels within items, n_c their row sums, n their total, and d the squared distance of two labels.
Only items with two labels or more count. Undefined where all of their labels are equal.
"""

from collections.abc import Sequence

import numpy as np

from app.rules.bootstrap import Floats, Summed
from app.rules.coefficients import Counts, overlapping, ratio, spread

_MOST_CELLS = 20_000_000


def krippendorff_alpha_nominal(counts: Counts) -> Summed:
    """counts is (N, q). All different labels are equally far apart."""
    q = counts.shape[1]

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)
        apart = (counts * (n_i[:, None] - counts)).sum(axis=1) / (n_i - 1)
        return np.column_stack([counts, apart])

    def alpha(sums: Floats) -> Floats:
        n_c = sums[:, :q]
        n = n_c.sum(axis=1)
        return _alpha(n, sums[:, q], n**2 - (n_c**2).sum(axis=1))

    return overlapping(counts, add, alpha, undefined="one_category")


def krippendorff_alpha_interval(counts: Counts, values: Sequence[float] | Floats) -> Summed:
    """The squared distance is that of the numbers that labels stand for; values is (q,)."""
    q, v = counts.shape[1], np.asarray(values, dtype=np.float64)

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)
        return np.column_stack([counts, 2 * n_i * spread(counts, v) / (n_i - 1)])

    def alpha(sums: Floats) -> Floats:
        n_c = sums[:, :q]
        return _alpha(n_c.sum(axis=1), sums[:, q], _expected(n_c, np.broadcast_to(v, n_c.shape)))

    return overlapping(counts, add, alpha, undefined="one_category")


def krippendorff_alpha_ordinal(counts: Counts, order: Sequence[float]) -> Summed:
    """The distance of two labels is that of their mean ranks among all labels of C.

    order is (q,): labels come in the order of these numbers, and equal numbers are one label. The
    ranks are those of each replicate. With so many labels that their coincidences do not fit into
    memory, replicates keep the ranks of the data.
    """
    places, index = np.unique(np.asarray(order, dtype=np.float64), return_inverse=True)
    merged = counts @ (index[:, None] == np.arange(len(places))).astype(np.int64)
    q = len(places)
    if len(merged) * q * q > 2 * _MOST_CELLS:
        overlap = merged.sum(axis=1) > 1
        return krippendorff_alpha_interval(
            merged, mean_ranks(merged[overlap].sum(axis=0)[None, :].astype(np.float64))[0]
        )
    upper, lower = np.triu_indices(q, k=1)

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)[:, None]
        return np.column_stack([counts, counts[:, upper] * counts[:, lower] / (n_i - 1)])

    def alpha(sums: Floats) -> Floats:
        n_c, ranks = sums[:, :q], mean_ranks(sums[:, :q])
        observed = (sums[:, q:] * (ranks[:, upper] - ranks[:, lower]) ** 2).sum(axis=1)
        return _alpha(n_c.sum(axis=1), 2 * observed, _expected(n_c, ranks))

    return overlapping(merged, add, alpha, undefined="one_category")


def mean_ranks(n_c: Floats) -> Floats:
    """(B, q): the mean rank of each label where n_c (B, q) labels are put in order."""
    ranks: Floats = np.cumsum(n_c, axis=1) - n_c / 2
    return ranks


def _expected(n_c: Floats, values: Floats) -> Floats:
    """(B,): sum_ck n_c n_k (v_c - v_k)^2, exactly 0 where only one label is used."""
    n = n_c.sum(axis=1)
    means = ratio((n_c * values).sum(axis=1), n)
    total = 2 * n * (n_c * (values - means[:, None]) ** 2).sum(axis=1)
    return np.where((n_c > 0).sum(axis=1) > 1, total, 0.0)


def _alpha(n: Floats, observed: Floats, expected: Floats) -> Floats:
    return 1 - (n - 1) * ratio(observed, expected)
