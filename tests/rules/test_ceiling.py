"""Ceilings of a reward model: worked values, sharpness, and simulated comparisons."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.bootstrap import Resampling, Statistic
from app.rules.ceiling import (
    beta_accuracy,
    beta_ceiling,
    bounds,
    concentration_of,
    label_entropy_bits,
    majority_accuracy,
    single_label_accuracy,
)


def agreement(value, **interval) -> Statistic:
    return Statistic(value=value, n=100, **interval)


@pytest.mark.parametrize(
    ("a", "upper"), [(0.63, 0.755), (0.726, 0.836), (0.773, 0.870), (0.81, 0.894)]
)
def test_the_bounds_of_published_agreements(a, upper):
    """STATISTICS.md 6.1: HH, InstructGPT's two groups, MT-bench."""
    found = bounds(agreement(a))

    assert found.lower.value == a
    assert found.upper.value == pytest.approx(upper, abs=0.0006)


def test_the_interval_of_agreement_becomes_that_of_both_bounds():
    found = bounds(agreement(0.7, low=0.6, high=0.8))

    assert (found.lower.low, found.lower.high) == (0.6, 0.8)
    assert found.upper.low == pytest.approx((1 + math.sqrt(0.2)) / 2)
    assert found.upper.high == pytest.approx((1 + math.sqrt(0.6)) / 2)


def test_below_chance_there_is_no_upper_bound():
    found = bounds(agreement(0.48))

    assert found.lower.value == 0.48
    assert (found.upper.value, found.upper.reason) == (None, "below_chance")
    undefined = Statistic(value=None, n=0, reason="no_overlap")
    assert bounds(undefined).upper.reason == "no_overlap"


@given(st.lists(st.floats(0.5, 1), min_size=1, max_size=8), st.sampled_from([1, 3, 5]))
def test_no_mix_of_comparisons_is_outside_the_bounds(pi, m):
    pi = np.array(pi)
    a = float((pi**2 + (1 - pi) ** 2).mean())
    best = float(np.mean([majority_accuracy(p, m) for p in pi]))

    found = bounds(agreement(min(1.0, max(0.5, a))), labels=m)

    assert found.lower.value - 1e-9 <= best <= found.upper.value + 1e-6


@pytest.mark.parametrize("m", [1, 3, 5])
def test_both_bounds_are_reached(m):
    """Coin tosses and certainty in equal parts: a = 0.75. All alike at 0.8: a = 0.68."""
    mixed = np.mean([majority_accuracy(p, m) for p in (0.5, 1.0)])

    assert bounds(agreement(0.75), labels=m).lower.value == pytest.approx(mixed)
    assert bounds(agreement(0.68), labels=m).upper.value == pytest.approx(majority_accuracy(0.8, m))


@pytest.mark.parametrize(
    ("p", "n", "expected"), [(0.7, 3, 0.784), (0.7, 5, 0.837), (0.8, 3, 0.896), (0.8, 5, 0.942)]
)
def test_the_accuracy_of_majorities(p, n, expected):
    by_hand = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range((n + 1) // 2, n + 1))

    assert majority_accuracy(p, n) == pytest.approx(expected, abs=0.0005)
    assert majority_accuracy(p, n) == pytest.approx(by_hand)


def test_an_even_number_has_no_majority():
    with pytest.raises(ValueError, match="odd"):
        majority_accuracy(0.7, 2)


def test_a_single_label_of_annotators_who_agree_in_068_is_right_in_080():
    assert single_label_accuracy(agreement(0.68)).value == pytest.approx(0.8)


def test_a_uniform_share_has_a_ceiling_of_three_quarters():
    """Of Beta(1, 1): E max(pi, 1 - pi) = 3/4, agreement 2/3; against three labels
    E max = 2 int_(1/2)^1 (3 p^2 - 2 p^3) dp = 2 (7/8 - 15/32) = 13/16."""
    assert beta_accuracy(1.0, 1) == pytest.approx(0.75)
    assert beta_accuracy(1.0, 3) == pytest.approx(13 / 16, abs=1e-5)
    assert concentration_of(2 / 3) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        concentration_of(0.5)


@pytest.mark.parametrize("concentration", [0.3, 1.5])
def test_the_ceiling_of_simulated_comparisons_is_inside_its_interval(concentration):
    """In 20 projects of 1,500 comparisons, 17 or more 95 % intervals with probability 0.98."""
    inside = {1: 0, 3: 0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pi = rng.beta(concentration, concentration, 1500)
        n = rng.integers(1, 6, 1500)
        first = rng.binomial(n, pi)
        rows = np.column_stack([first, n - first, np.arange(1500) % 100])
        rows, items = np.unique(rows, axis=0, return_counts=True)

        found = beta_ceiling(*rows.T, items, resampling=Resampling(replicates=300))

        for m in inside:
            truth = beta_accuracy(concentration, m)
            inside[m] += found.ceilings[m].low <= truth <= found.ceilings[m].high
            assert found.ceilings[m].high - found.ceilings[m].low < 0.06
    assert min(inside.values()) >= 17


def test_items_of_two_labels_cannot_narrow_the_bounds():
    two = np.full(500, 2)
    found = beta_ceiling(two, two * 0, np.arange(500), np.ones(500, int))

    assert found.ceilings[1].reason == "needs_three_labels"


def test_a_split_label_tells_nothing_and_a_certain_one_a_bit():
    bits = label_entropy_bits([0.5, 1.0, 0.0, 0.75])

    by_hand = 1 - (0.75 * math.log2(4 / 3) + 0.25 * 2)
    assert bits == pytest.approx([0, 1, 1, by_hand])
