"""Agreement of rankings of K completions.

A ranking of K implies K (K - 1) / 2 pairs. These are not independent, so items are resampled with
all their rankings. Rankings are ranks: 1 is the best, equal numbers are a tie.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from app.rules.bootstrap import Floats, Integers, Resampling, Statistic, Summed, bootstrap
from app.rules.coefficients import ratio

Ranks = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RankingReport:
    """Each is a mean over the items with two rankings or more; n is their number."""

    pair_agreement: Statistic
    """Two annotators order two completions alike; a tie agrees with a tie only."""
    pair_agreement_no_ties: Statistic
    """The same over pairs that both put in an order: (mean Kendall tau + 1) / 2 without ties."""
    kendall_w: Statistic
    """Kendall's W (1939), corrected for ties: 12 S / (m^2 (K^3 - K) - m sum T)."""
    top_choice: Statistic
    """Two annotators have the same best completion, ties for it broken at random."""


def measure_rankings(
    rankings: Sequence[Ranks],
    groups: Integers | None = None,
    resampling: Resampling = Resampling(),
) -> RankingReport:
    """rankings holds for each item (m, K) ranks, a row an annotator; K >= 2 may differ by item.

    groups is (N,): the prompt of each item, where intervals are to resample prompts.
    """
    shared = np.array([len(ranks) > 1 for ranks in rankings], dtype=bool)
    items = np.ones(len(rankings), dtype=np.int64)
    wanted = [
        _mean_of(rankings, shared, measure)
        for measure in (_alike_with_ties, _alike_without_ties, _kendall_w, _same_best)
    ]
    found = bootstrap(wanted, groups, items, resampling)
    return RankingReport(
        pair_agreement=found[0],
        pair_agreement_no_ties=found[1],
        kendall_w=found[2],
        top_choice=found[3],
    )


def _mean_of(
    rankings: Sequence[Ranks],
    shared: NDArray[np.bool_],
    measure: Callable[[Ranks], float],
) -> Summed:
    values = np.array(
        [
            measure(np.asarray(ranks, dtype=np.float64)) if counts else np.nan
            for ranks, counts in zip(rankings, shared, strict=True)
        ],
        dtype=np.float64,
    )
    counts = ~np.isnan(values)
    rows = np.column_stack([np.where(counts, values, 0.0), counts.astype(np.float64)])
    return Summed(
        rows=rows,
        counts=counts,
        statistic=lambda sums: ratio(sums[:, 0], sums[:, 1]),
        undefined="all_tied" if shared.any() else "no_overlap",
    )


def _orders(ranks: Ranks) -> Floats:
    """(m, K (K - 1) / 2): -1, 0 or 1, how each annotator orders two completions."""
    upper, lower = np.triu_indices(ranks.shape[1], k=1)
    return np.sign(ranks[:, upper] - ranks[:, lower])


def _alike_with_ties(ranks: Ranks) -> float:
    orders, m = _orders(ranks), len(ranks)
    counts = np.stack([(orders == sign).sum(axis=0) for sign in (-1, 0, 1)])
    return float((counts * (counts - 1)).sum(axis=0).mean() / (m * (m - 1)))


def _alike_without_ties(ranks: Ranks) -> float:
    orders = _orders(ranks)
    counts = np.stack([(orders == sign).sum(axis=0) for sign in (-1, 1)])
    n = counts.sum(axis=0)
    pairs = (n * (n - 1)).sum()
    return float((counts * (counts - 1)).sum() / pairs) if pairs else float("nan")


def _kendall_w(ranks: Ranks) -> float:
    m, k = ranks.shape
    averaged = rankdata(ranks, axis=1)
    totals = averaged.sum(axis=0)
    tied = sum(
        int((times**3 - times).sum())
        for times in (np.unique(row, return_counts=True)[1] for row in averaged)
    )
    largest = m * m * (k**3 - k) - m * tied
    deviation = float(((totals - totals.mean()) ** 2).sum())
    return 12 * deviation / largest if largest else float("nan")


def _same_best(ranks: Ranks) -> float:
    best = ranks == ranks.min(axis=1, keepdims=True)
    share = best / best.sum(axis=1, keepdims=True)
    same = share @ share.T
    m = len(ranks)
    return float((same.sum() - np.trace(same)) / (m * (m - 1)))
