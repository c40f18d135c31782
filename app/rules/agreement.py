"""Agreement between annotators, from counts of labels per item.

`counts` is (N, q): how often each of the q declared labels was given to each item. Undefined values
carry a reason instead of a number. Left out on purpose: skips are missing data and never counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.rules.bootstrap import Floats, Statistic, bootstrap

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AgreementReport:
    """Agreement over one set of judgments; every statistic has its own n and interval."""

    n_judgments: int
    n_items: int
    n_items_overlap: int
    n_annotators: int
    n_pairs: int
    verdict_shares: dict[str, float]
    percent_agreement: Statistic
    percent_agreement_no_ties: Statistic
    krippendorff_alpha_nominal: Statistic
    krippendorff_alpha_nominal_no_ties: Statistic
    chance_agreement: Statistic
    chance_agreement_no_ties: Statistic


def measure(
    counts: Counts, groups: Counts, labels: Sequence[str], ties: Sequence[str], n_annotators: int
) -> AgreementReport:
    """All statistics of `counts`.

    groups is (N,): the prompt of each item, which is the unit of resampling. `ties` names the
    labels that the figures without ties leave out.
    """
    decisive = np.array([label not in ties for label in labels])
    totals = counts.sum(axis=0)
    n = int(totals.sum())
    shares = {label: float(t) / n if n else 0.0 for label, t in zip(labels, totals, strict=True)}
    per_item = counts.sum(axis=1)
    return AgreementReport(
        n_judgments=n,
        n_items=int((per_item > 0).sum()),
        n_items_overlap=int((per_item > 1).sum()),
        n_annotators=n_annotators,
        n_pairs=int((per_item * (per_item - 1) // 2).sum()),
        verdict_shares=shares,
        percent_agreement=percent_agreement(counts, groups),
        percent_agreement_no_ties=percent_agreement(counts[:, decisive], groups),
        krippendorff_alpha_nominal=krippendorff_alpha_nominal(counts, groups),
        krippendorff_alpha_nominal_no_ties=krippendorff_alpha_nominal(counts[:, decisive], groups),
        chance_agreement=chance_agreement(counts, groups),
        chance_agreement_no_ties=chance_agreement(counts[:, decisive], groups),
    )


def percent_agreement(counts: Counts, groups: Counts) -> Statistic:
    """Share of equal labels of two random annotators of a random item (item mean).

    Mean over items with two labels or more of sum_k n_ik (n_ik - 1) / (n_i (n_i - 1)).
    """
    counts, groups = _overlapping(counts, groups)
    n_i = counts.sum(axis=1)
    same = (counts * (counts - 1)).sum(axis=1) / (n_i * (n_i - 1))
    units = _sum_by_group(np.column_stack([same, np.ones(len(same))]), groups)
    return bootstrap(
        units, lambda sums: _ratio(sums[:, 0], sums[:, 1]), n=len(counts), undefined="no_overlap"
    )


def krippendorff_alpha_nominal(counts: Counts, groups: Counts) -> Statistic:
    """Krippendorff's alpha with nominal distances (Content Analysis, 2004, ch. 11).

    alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k from the coincidences o_ck.
    """
    counts, groups = _overlapping(counts, groups)
    q = counts.shape[1]
    n_i = counts.sum(axis=1)[:, None, None]
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(q, dtype=np.int64))
    units = _sum_by_group((pairs / (n_i - 1)).reshape(len(counts), q * q), groups)

    def alpha(sums: Floats) -> Floats:
        coincidences = sums.reshape(-1, q, q)
        n_c = coincidences.sum(axis=2)
        n = n_c.sum(axis=1)
        observed = n - np.einsum("bkk->b", coincidences)
        expected = n**2 - (n_c**2).sum(axis=1)
        share: Floats = (n - 1) * _ratio(observed, np.where(expected > 1e-9, expected, 0.0))
        return 1 - share

    undefined = "one_category" if len(counts) else "no_overlap"
    return bootstrap(units, alpha, n=len(counts), undefined=undefined)


def chance_agreement(counts: Counts, groups: Counts) -> Statistic:
    """Agreement of two labels drawn from the label shares of the overlapping items: sum_k p_k^2."""
    counts, groups = _overlapping(counts, groups)
    return bootstrap(
        _sum_by_group(counts.astype(np.float64), groups),
        lambda sums: _ratio((sums**2).sum(axis=1), sums.sum(axis=1) ** 2),
        n=len(counts),
        undefined="no_overlap",
    )


def _overlapping(counts: Counts, groups: Counts) -> tuple[Counts, Counts]:
    overlap = counts.sum(axis=1) > 1
    return counts[overlap], groups[overlap]


def _sum_by_group(rows: Floats, groups: Counts) -> Floats:
    """(N, S) rows summed within each group: (U, S)."""
    if len(rows) == 0:
        return rows
    names, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element-wise quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
