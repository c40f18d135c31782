"""Agreement of rankings of K completions.

A ranking of K implies K (K - 1) / 2 pairs. These are not independent, so items are resampled with
all their rankings. Rankings are ranks: 1 is the best, equal numbers are a tie.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    by_shape: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for item, ranks in enumerate(rankings):
        if len(ranks) > 1:
            by_shape[np.shape(ranks)].append(item)
    alike = [(items, np.array([rankings[i] for i in items], float)) for items in by_shape.values()]
    items = np.ones(len(rankings), dtype=np.int64)
    wanted = [
        _mean_of(alike, measure, len(rankings))
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
    alike: Sequence[tuple[list[int], Ranks]], measure: Callable[[Ranks], Floats], n_items: int
) -> Summed:
    """`measure` gives (n,) from (n, m, K) ranks, for items of one shape at a time."""
    values = np.full(n_items, np.nan)
    for items, ranks in alike:
        values[items] = measure(ranks)
    counts = ~np.isnan(values)
    rows = np.column_stack([np.where(counts, values, 0.0), counts.astype(np.float64)])
    return Summed(
        rows=rows,
        counts=counts,
        statistic=lambda sums: ratio(sums[:, 0], sums[:, 1]),
        undefined="all_tied" if alike else "no_overlap",
    )


def _orders(ranks: Ranks, signs: tuple[int, ...]) -> Integers:
    """(signs, n, K (K - 1) / 2): how many annotators order two completions so."""
    upper, lower = np.triu_indices(ranks.shape[2], k=1)
    orders = np.sign(ranks[:, :, upper] - ranks[:, :, lower])
    return np.stack([(orders == sign).sum(axis=1) for sign in signs])


def _alike_with_ties(ranks: Ranks) -> Floats:
    counts, m = _orders(ranks, (-1, 0, 1)), ranks.shape[1]
    alike: Floats = (counts * (counts - 1)).sum(axis=0).mean(axis=1) / (m * (m - 1))
    return alike


def _alike_without_ties(ranks: Ranks) -> Floats:
    counts = _orders(ranks, (-1, 1))
    n = counts.sum(axis=0)
    return ratio((counts * (counts - 1)).sum(axis=(0, 2)), (n * (n - 1)).sum(axis=1))


def _kendall_w(ranks: Ranks) -> Floats:
    m, k = ranks.shape[1:]
    one, other = ranks[..., :, None], ranks[..., None, :]
    tied = (one == other).sum(axis=3)
    totals = ((one > other).sum(axis=3) + (tied + 1) / 2).sum(axis=1)
    # Each of t completions that are tied adds t^2 - 1 to t^3 - t.
    largest = m * m * (k**3 - k) - m * (tied**2 - 1).sum(axis=(1, 2))
    return ratio(12 * ((totals - m * (k + 1) / 2) ** 2).sum(axis=1), largest)


def _same_best(ranks: Ranks) -> Floats:
    m = ranks.shape[1]
    best = ranks == ranks.min(axis=2, keepdims=True)
    share = best / best.sum(axis=2, keepdims=True)
    # Of all ordered pairs of annotators, less each with oneself.
    same: Floats = (share.sum(axis=1) ** 2).sum(axis=1) - (share**2).sum(axis=(1, 2))
    same /= m * (m - 1)
    return same
