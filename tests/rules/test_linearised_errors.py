"""On large tables, bootstrap intervals are those of Gwet's linearised standard error, t(N - 1).

Gwet, Handbook of Inter-Rater Reliability (2014), ch. 5: each item has a share of the coefficient,
less what it adds to chance agreement; the variance is that of the mean of these shares.
"""

import numpy as np
import pytest
from helpers.agreement import estimated
from numpy.typing import NDArray
from scipy.stats import t

from app.rules.coefficients import fleiss_kappa, gwet_ac1, percent_agreement
from app.rules.krippendorff import krippendorff_alpha_nominal

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def crowd(seed: int, items: int = 2000) -> Counts:
    """Two to five labels of three for each item, of which the first is the most frequent."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([2.0, 0.8, 0.4], items)
    often = rng.integers(2, 6, items)
    return np.array([rng.multinomial(n, p) for n, p in zip(often, shares, strict=True)])


def half_width(shares: Floats) -> float:
    n = len(shares)
    error = np.sqrt(((shares - shares.mean()) ** 2).sum() / (n * (n - 1)))
    return float(t.ppf(0.975, n - 1) * error)


def linearised(counts: Counts, chance_of_label: str) -> float:
    """`pi`: chance agreement is the sum of squared shares (Fleiss); `1 - pi`: it is Gwet's."""
    n_i, q = counts.sum(axis=1), counts.shape[1]
    agreed = (counts * (counts - 1)).sum(axis=1) / (n_i * (n_i - 1))
    of_item = counts / n_i[:, None]
    pi = of_item.mean(axis=0)
    weight = pi if chance_of_label == "pi" else (1 - pi) / (q - 1)
    by_item = of_item @ weight
    chance = float(pi @ weight)
    coefficient = (agreed.mean() - chance) / (1 - chance)
    shares = (agreed - chance) / (1 - chance)
    shares = shares - 2 * (1 - coefficient) * (by_item - chance) / (1 - chance)
    return half_width(shares)


def alpha(counts: Counts) -> float:
    """Krippendorff's, of items that all have two labels or more."""
    n_i, n_c = counts.sum(axis=1), counts.sum(axis=0)
    n = n_c.sum()
    apart = ((n_i[:, None] - counts) * counts).sum(axis=1) / (n_i - 1)
    return float(1 - (n - 1) * apart.sum() / (n**2 - (n_c**2).sum()))


def test_the_bootstrap_of_alpha_is_within_002_of_leaving_out_each_of_1000_items() -> None:
    counts = crowd(7, items=1000)
    without = np.array([alpha(np.delete(counts, i, axis=0)) for i in range(1000)])
    found = estimated(krippendorff_alpha_nominal(counts))
    assert found.value == pytest.approx(alpha(counts))
    error = np.sqrt(999 / 1000 * ((without - without.mean()) ** 2).sum())
    half = t.ppf(0.975, 999) * error
    assert (found.low, found.high) == pytest.approx(
        (alpha(counts) - half, alpha(counts) + half), abs=0.02
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bootstrap_is_as_wide_as_the_linearised_error_says(seed: int) -> None:
    counts = crowd(seed)
    n_i = counts.sum(axis=1)
    agreed = (counts * (counts - 1)).sum(axis=1) / (n_i * (n_i - 1))
    for statistic, expected in (
        (percent_agreement(counts), half_width(agreed)),
        (fleiss_kappa(counts), linearised(counts, "pi")),
        (gwet_ac1(counts), linearised(counts, "1 - pi")),
    ):
        found = estimated(statistic)
        assert found.low is not None
        assert found.high is not None
        # A percentile of 2,000 resamples has an error of 3 % of the half-width.
        assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.08)
