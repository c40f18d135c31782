"""Coefficients of agreement as functions of sums over items.

`counts` is (N, q): how often each of the q declared labels was given to each item; n_ik is one of
its entries, n_i a row's sum, and C the items with two labels or more. Undefined values carry a
reason instead of a number. Krippendorff's alpha is in `krippendorff`, Cohen's kappa in `cohen`.
Left out on purpose: skips are missing data and never counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.rules.bootstrap import Floats, Mask, Summed

Counts = NDArray[np.int64]


def percent_agreement(counts: Counts) -> Summed:
    """Share of equal labels of two random annotators of a random item (item mean).

    Mean over C of P_i = sum_k n_ik (n_ik - 1) / (n_i (n_i - 1)).
    """
    return item_mean(counts, _agreeing_pairs)


def percent_agreement_pairs(counts: Counts) -> Summed:
    """The same over all pairs of labels: an item with more labels weighs more.

    sum_i sum_k n_ik (n_ik - 1) / sum_i n_i (n_i - 1).
    """

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)
        return np.column_stack([(counts * (counts - 1)).sum(axis=1), n_i * (n_i - 1.0)])

    pooled = overlapping(counts, add, lambda sums: ratio(sums[:, 0], sums[:, 1]))
    n_i = counts.sum(axis=1)[pooled.counts]
    is_item_mean = len(np.unique(n_i)) == 1
    return replace(pooled, trials=is_item_mean and percent_agreement(counts).trials)


def chance_agreement(counts: Counts) -> Summed:
    """Agreement of two labels drawn from the label shares of C: sum_k p_k^2."""
    return overlapping(
        counts,
        lambda counts: counts.astype(np.float64),
        lambda sums: ratio((sums**2).sum(axis=1), sums.sum(axis=1) ** 2),
    )


def agreement_with_majority(counts: Counts) -> Summed:
    """Mean over C of the credit of each judgment against its item's most frequent labels.

    Each of m most frequent labels earns 1/m, so an item gives max_k n_ik / n_i. The judged label is
    part of the majority: with two labels an item never gives less than 1/2.
    """
    return item_mean(counts, lambda counts: counts.max(axis=1) / counts.sum(axis=1))


def leave_one_out_agreement(counts: Counts) -> Summed:
    """Mean over C of the credit of each judgment against the modes of the item's other labels."""

    def share(counts: Counts) -> Floats:
        mode, credit = leave_one_out_credit(counts)
        n_mode = np.take_along_axis(counts, mode[:, None], axis=1)[:, 0]
        earned: Floats = n_mode * credit / counts.sum(axis=1)
        return earned

    return item_mean(counts, share)


def leave_one_out_credit(counts: Counts) -> tuple[Counts, Floats]:
    """(N,) the only label of each item that can earn credit, and (N,) what each of its judgments
    earns against the modes of the others; items have two labels or more.

    A label that is not the single most frequent one never is a mode of the others. The most
    frequent one is their only mode if it leads by two or more, and one of 1 + m modes if it leads
    m labels by one.
    """
    mode = counts.argmax(axis=1)
    most = counts.max(axis=1)
    others = counts.copy()
    np.put_along_axis(others, mode[:, None], -1, axis=1)
    second = others.max(axis=1, initial=0)
    runners_up = (others == second[:, None]).sum(axis=1)
    lead = most - second
    credit = np.where(lead >= 2, 1.0, np.where(lead == 1, 1.0 / (1 + runners_up), 0.0))
    return mode, credit


def fleiss_kappa(counts: Counts) -> Summed:
    """Fleiss' kappa (1971) for unequal numbers of labels: (P - P_e) / (1 - P_e), P_e = sum pi_k^2.

    pi_k is the mean of n_ik / n_i over all items, single labels included (Gwet, Handbook of
    Inter-Rater Reliability, 2014).
    """
    return _chance_corrected(counts, _agreeing_pairs, lambda shares: (shares**2).sum(axis=1))


def fleiss_kappa_pooled(counts: Counts) -> Summed:
    """The same with pi_k as the share of label k among all labels of C."""
    q = counts.shape[1]

    def kappa(sums: Floats) -> Floats:
        totals, observed = sums[:, :q], ratio(sums[:, q], sums[:, q + 1])
        expected = ratio((totals**2).sum(axis=1), totals.sum(axis=1) ** 2)
        return ratio(observed - expected, 1 - expected)

    def add(counts: Counts) -> Floats:
        return np.column_stack([counts, _agreeing_pairs(counts), np.ones(len(counts))])

    return overlapping(counts, add, kappa, undefined="one_category")


def gwet_ac1(counts: Counts) -> Summed:
    """Gwet's AC1 (2008): chance is sum_k pi_k (1 - pi_k) / (q - 1) over the q declared labels."""
    q = counts.shape[1]

    def chance(shares: Floats) -> Floats:
        apart: Floats = (shares * (1 - shares)).sum(axis=1)
        return apart / (q - 1 if q > 1 else np.nan)

    return _chance_corrected(counts, _agreeing_pairs, chance)


def gwet_ac2_quadratic(counts: Counts, values: Sequence[float]) -> Summed:
    """Gwet's AC2 with the weights w_kl = 1 - (v_k - v_l)^2 / (v_max - v_min)^2.

    values is (q,): the number that each declared label stands for. P_e is
    sum_kl w_kl sum_k pi_k (1 - pi_k) / (q (q - 1)).
    """
    v, q = np.asarray(values, dtype=np.float64), counts.shape[1]
    width = float(np.ptp(v)) if q else 0.0
    scaled = (v - v.min()) / width if width else np.zeros(q)
    total_weight = float((1 - (scaled[:, None] - scaled) ** 2).sum())

    def observed(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)
        share: Floats = 1 - 2 * spread(counts, scaled) / (n_i - 1)
        return share

    def chance(shares: Floats) -> Floats:
        apart: Floats = (shares * (1 - shares)).sum(axis=1)
        return total_weight * apart / (q * (q - 1) if width else np.nan)

    return _chance_corrected(counts, observed, chance)


def spread(counts: Counts, values: Floats) -> Floats:
    """(N,): sum_k n_ik (v_k - mean_i)^2. Twice this times n_i is the sum of squared differences
    over ordered pairs of an item's labels; taken from the mean, large values lose no digits."""
    means = counts @ values / counts.sum(axis=1)
    total: Floats = (counts * (values - means[:, None]) ** 2).sum(axis=1)
    return total


def item_mean(counts: Counts, share: Callable[[Counts], Floats]) -> Summed:
    """The mean of `share` over C."""

    def add(counts: Counts) -> Floats:
        return np.column_stack([share(counts), np.ones(len(counts))])

    mean = overlapping(counts, add, lambda sums: ratio(sums[:, 0], sums[:, 1]))
    return replace(mean, trials=bool(np.isin(mean.rows[mean.counts, 0], (0.0, 1.0)).all()))


def overlapping(
    counts: Counts,
    add: Callable[[Counts], Floats],
    statistic: Callable[[Floats], Floats],
    *,
    undefined: str = "no_overlap",
) -> Summed:
    """The statistic of C; `add` says what its items add to the sums, `undefined` why there may be
    no value although C is not empty."""
    overlap = counts.sum(axis=1) > 1
    if not overlap.any():
        return _without_overlap(overlap)
    added = add(counts[overlap])
    rows = np.zeros((len(counts), added.shape[1]))
    rows[overlap] = added
    return Summed(rows=rows, counts=overlap, statistic=statistic, undefined=undefined)


def _without_overlap(overlap: Mask) -> Summed:
    return Summed(
        rows=np.zeros((len(overlap), 1)),
        counts=overlap,
        statistic=lambda sums: np.full(len(sums), np.nan),
        undefined="no_overlap",
    )


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element-wise quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def _agreeing_pairs(counts: Counts) -> Floats:
    """(N,): P_i, the share of equal labels among the pairs of an item's labels."""
    n_i = counts.sum(axis=1)
    share: Floats = (counts * (counts - 1)).sum(axis=1) / (n_i * (n_i - 1))
    return share


def _chance_corrected(
    counts: Counts, observed: Callable[[Counts], Floats], chance: Callable[[Floats], Floats]
) -> Summed:
    """(P - P_e) / (1 - P_e): `observed` over C, `chance` from the mean shares over all items."""
    q, n_i = counts.shape[1], counts.sum(axis=1)
    overlap, labelled = n_i > 1, n_i > 0
    if not overlap.any():
        return _without_overlap(overlap)
    rows = np.zeros((len(counts), q + 3))
    rows[labelled, :q] = counts[labelled] / n_i[labelled, None]
    rows[labelled, q] = 1
    rows[overlap, q + 1] = observed(counts[overlap])
    rows[overlap, q + 2] = 1

    def coefficient(sums: Floats) -> Floats:
        expected = chance(sums[:, :q] / np.where(sums[:, q], sums[:, q], np.nan)[:, None])
        agreed = ratio(sums[:, q + 1], sums[:, q + 2])
        return ratio(agreed - expected, 1 - expected)

    return Summed(
        rows=rows,
        counts=overlap,
        statistic=coefficient,
        undefined="one_category",
        also=labelled,
    )
