"""Exact tests and intervals, against published values, sums over all outcomes and statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from app.rules.significance import (
    clopper_pearson,
    discoveries,
    share,
    share_above,
    share_beside,
    trend,
)


def binomial(k, n, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@pytest.mark.parametrize(("k", "n"), [(8, 10), (0, 7), (7, 7), (55, 100)])
def test_clopper_pearson_inverts_the_binomial_tails(k, n):
    found = clopper_pearson(k, n)

    upper = sum(binomial(j, n, found.low) for j in range(k, n + 1))
    lower = sum(binomial(j, n, found.high) for j in range(k + 1))
    assert upper == pytest.approx(0.025 if k else 1)
    assert lower == pytest.approx(0.025 if k < n else 1)


def test_eight_of_ten_is_published_as_044_to_097_exactly_and_049_to_094_by_wilson():
    exact, wilson = clopper_pearson(8, 10), share(8, 10).statistic

    assert (round(exact.low, 4), round(exact.high, 4)) == (0.4439, 0.9748)
    assert (round(wilson.low, 2), round(wilson.high, 2)) == (0.49, 0.94)


def test_61_of_100_is_the_least_that_is_unlikely_by_chance():
    """STATISTICS.md 3: at n = 100 the flag begins at 61 %."""
    assert share(61, 100).p < 0.05 < share(60, 100).p
    by_hand = 2 * sum(binomial(k, 100, 0.5) for k in range(61, 101))
    assert share(61, 100).p == pytest.approx(by_hand)


def test_a_share_above_a_limit_is_one_tail():
    assert share_above(3, 20, 0.05).p == pytest.approx(
        sum(binomial(k, 20, 0.05) for k in range(3, 21))
    )
    assert (share_above(0, 20, 0.05).p, share_above(0, 0, 0.05).p) == (1.0, None)


@pytest.mark.parametrize(("n", "truth"), [(783, 0.55), (194, 0.60)])
def test_the_sizes_that_find_a_side_bias_in_80_of_100(n, truth):
    """The sizes are those of the normal test; the exact one is a little weaker, and clearly so at
    a fifth less."""

    def power(n):
        rejected = [k for k in range(n + 1) if share(k, n).p < 0.05]
        return sum(math.exp(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(truth) + (n - k) * math.log(1 - truth)
        ) for k in rejected)  # fmt: skip

    assert power(n) == pytest.approx(0.8, abs=0.04)
    assert power(n * 4 // 5) < 0.75


def test_nothing_is_undefined_and_not_a_half():
    assert (share(0, 0).statistic.value, share(0, 0).p) == (None, None)
    assert share_beside(3, 4, 0, 0).p is None
    assert clopper_pearson(0, 0).reason == "no_data"


def test_a_share_beside_others_by_hand():
    """Fisher's tea: 3 of 4 against 1 of 4: (16 + 1 + 16 + 1) / 70."""
    assert share_beside(3, 4, 1, 4).p == pytest.approx(34 / 70)


def test_a_trend_by_hand():
    """10 of 20, then 16 of 20: p = 0.65, spread 40 / 4, slope 0.3, z^2 = 0.09 * 10 / 0.2275 is the
    chi-square of the two-by-two table."""
    found = trend([0, 1], [10, 16], [20, 20])

    assert found.statistic.value == pytest.approx(0.3)
    z = math.sqrt(0.9 / 0.2275)
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert found.statistic.low == pytest.approx(0.3 - 1.959964 * math.sqrt(0.02275))


def test_a_trend_finds_drift_and_flags_no_more_than_five_in_a_hundred_without():
    rng = np.random.default_rng(0)
    weeks, trials = np.arange(10), np.full(10, 15)
    steady = [trend(weeks, rng.binomial(trials, 0.8), trials).p for _ in range(600)]
    falling = [trend(weeks, rng.binomial(trials, 0.9 - 0.04 * weeks), trials).p for _ in range(100)]

    assert np.mean(np.array(steady) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(falling) < 0.05) > 0.8


def test_a_trend_needs_times_trials_and_both_outcomes():
    assert trend([], [], []).statistic.reason == "no_data"
    assert trend([3, 3], [5, 6], [20, 20]).statistic.reason == "one_time"
    assert trend([0, 1], [20, 20], [20, 20]).p is None
    assert trend([0, 1], [2, 3], [5, 5]).statistic.reason == "too_few_judgments"


def test_the_example_of_benjamini_and_hochberg():
    """Their 15 p values of 1995, at 5 %: the first four are discoveries."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip

    assert discoveries(p, rate=0.05) == [True] * 4 + [False] * 11


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_discoveries_are_the_step_up_rule(p_values):
    known = sorted(p for p in p_values if p is not None)
    largest = 0
    for k in range(1, len(known) + 1):
        if known[k - 1] <= 0.1 * k / len(known):
            largest = k
    limit = known[largest - 1] if largest else -1

    assert discoveries(p_values) == [p is not None and p <= limit for p in p_values]


def test_discoveries_equal_those_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(1).beta(0.4, 2, 60)

    assert discoveries(p.tolist()) == multitest.multipletests(p, 0.1, "fdr_bh")[0].tolist()


@given(st.integers(1, 3000), st.data())
def test_a_share_against_one_half_is_the_binomial_test(n, data):
    k = data.draw(st.integers(0, n))
    assert share(k, n).p == pytest.approx(binomtest(k, n, 0.5).pvalue, rel=1e-9, abs=1e-250)


@pytest.mark.parametrize(("k", "others"), [(1000, 50_000), (1045, 50_000), (1100, 50_400)])
def test_two_large_shares_are_compared_as_by_the_exact_test(k, others):
    exact = fisher_exact([[k, 2000 - k], [others, 100_000 - others]]).pvalue
    assert share_beside(k, 2000, others, 100_000).p == pytest.approx(exact, abs=0.03)
