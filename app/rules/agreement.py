"""Agreement between annotators, from counts of labels per item.

`counts` is (N, q): how often each of the q declared labels was given to each item. Undefined values
carry a reason instead of a number. Left out on purpose: skips are missing data and never counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.rules.bootstrap import Floats, Statistic, Summed, bootstrap

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AgreementReport:
    """Agreement over one set of judgments; every statistic has its own n and interval."""

    n_judgments: int
    n_items: int
    n_items_overlap: int
    n_annotators: int
    n_pairs: int
    resampled: str
    """What the intervals resample: `prompts`, or `prompt_groups` (random groups of whole prompts,
    in a large project)."""
    verdict_shares: dict[str, float]
    percent_agreement: Statistic
    percent_agreement_no_ties: Statistic
    krippendorff_alpha_nominal: Statistic
    krippendorff_alpha_nominal_no_ties: Statistic
    chance_agreement: Statistic
    chance_agreement_no_ties: Statistic


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is measured: each row stands for one or more items of one unit with equal counts."""

    counts: Counts
    """(N, q)."""
    groups: Counts
    """(N,): the unit of resampling, a prompt or a group of prompts."""
    items: Counts
    """(N,): how many items."""
    resampled: str


def measure(
    table: Table, labels: Sequence[str], ties: Sequence[str], n_annotators: int
) -> AgreementReport:
    """All statistics. `ties` names the labels that the figures without ties leave out."""
    counts, items = table.counts, table.items
    decisive = counts[:, [label not in ties for label in labels]]
    totals = items @ counts
    n = int(totals.sum())
    per_item = counts.sum(axis=1)
    (
        percent, percent_no_ties, alpha, alpha_no_ties, chance, chance_no_ties,
    ) = bootstrap(
        [
            statistic(given)
            for statistic in (percent_agreement, krippendorff_alpha_nominal, chance_agreement)
            for given in (counts, decisive)
        ],
        table.groups,
        items,
    )  # fmt: skip
    return AgreementReport(
        n_judgments=n,
        n_items=int(items[per_item > 0].sum()),
        n_items_overlap=int(items[per_item > 1].sum()),
        n_annotators=n_annotators,
        n_pairs=int(items @ (per_item * (per_item - 1) // 2)),
        resampled=table.resampled,
        verdict_shares={
            label: float(total) / n if n else 0.0
            for label, total in zip(labels, totals, strict=True)
        },
        percent_agreement=percent,
        percent_agreement_no_ties=percent_no_ties,
        krippendorff_alpha_nominal=alpha,
        krippendorff_alpha_nominal_no_ties=alpha_no_ties,
        chance_agreement=chance,
        chance_agreement_no_ties=chance_no_ties,
    )


def percent_agreement(counts: Counts) -> Summed:
    """Share of equal labels of two random annotators of a random item (item mean).

    Mean over items with two labels or more of sum_k n_ik (n_ik - 1) / (n_i (n_i - 1)).
    """

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)
        same = (counts * (counts - 1)).sum(axis=1) / (n_i * (n_i - 1))
        return np.column_stack([same, np.ones(len(counts))])

    return _overlapping(
        counts, add, lambda sums: _ratio(sums[:, 0], sums[:, 1]), undefined="no_overlap"
    )


def krippendorff_alpha_nominal(counts: Counts) -> Summed:
    """Krippendorff's alpha with nominal distances (Content Analysis, 2004, ch. 11).

    alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k from the coincidences o_ck.
    """
    q = counts.shape[1]

    def add(counts: Counts) -> Floats:
        n_i = counts.sum(axis=1)[:, None, None]
        pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(q, dtype=np.int64))
        coincidences: Floats = (pairs / (n_i - 1)).reshape(len(counts), q * q)
        return coincidences

    def alpha(sums: Floats) -> Floats:
        coincidences = sums.reshape(-1, q, q)
        n_c = coincidences.sum(axis=2)
        n = n_c.sum(axis=1)
        observed = n - np.einsum("bkk->b", coincidences)
        expected = n**2 - (n_c**2).sum(axis=1)
        share: Floats = (n - 1) * _ratio(observed, np.where(expected > 1e-9, expected, 0.0))
        return 1 - share

    undefined = "one_category" if (counts.sum(axis=1) > 1).any() else "no_overlap"
    return _overlapping(counts, add, alpha, undefined=undefined)


def chance_agreement(counts: Counts) -> Summed:
    """Agreement of two labels drawn from the label shares of the overlapping items: sum_k p_k^2."""
    return _overlapping(
        counts,
        lambda counts: counts.astype(np.float64),
        lambda sums: _ratio((sums**2).sum(axis=1), sums.sum(axis=1) ** 2),
        undefined="no_overlap",
    )


def _overlapping(
    counts: Counts,
    add: Callable[[Counts], Floats],
    statistic: Callable[[Floats], Floats],
    *,
    undefined: str,
) -> Summed:
    """The statistic of the items with two labels or more; `add` says what these add to its sums."""
    overlap = counts.sum(axis=1) > 1
    added = add(counts[overlap])
    rows = np.zeros((len(counts), added.shape[1]))
    rows[overlap] = added
    return Summed(rows=rows, counts=overlap, statistic=statistic, undefined=undefined)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element-wise quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
