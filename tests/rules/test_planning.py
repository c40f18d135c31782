"""Sample sizes of STATISTICS.md 6.2, and overlap against simulation."""

import numpy as np
import pytest

from app.rules.bootstrap import Statistic
from app.rules.ceiling import concentration_of
from app.rules.planning import (
    agreement_variance,
    count_probabilities,
    design_effect,
    half_widths,
    items_for_kappa,
    items_for_side_bias,
    kappa_error,
    overlap_options,
)


@pytest.mark.parametrize(("half_width", "items"), [(0.05, 303), (0.03, 842)])
def test_items_for_a_wanted_width_of_agreement(half_width, items):
    """z^2 p (1 - p) / h^2 items of two labels."""
    of_two = next(o for o in overlap_options(0.73, half_width) if o.judgments_per_item == 2)
    assert (of_two.items, of_two.judgments) == (items, 2 * items)


@pytest.mark.parametrize(("rate", "judgments"), [(0.55, 783), (0.60, 194)])
def test_judgments_that_find_a_side_bias(rate, judgments):
    assert items_for_side_bias(rate) == judgments


def test_items_for_a_wanted_error_of_kappa():
    """0.54 (0.54 * 0.08 + 0.46 * 1.54 * 2) / 0.05^2 = 315.36."""
    assert kappa_error(0.46, 0.5, 315.36) == pytest.approx(0.05)
    assert round(kappa_error(0.46, 0.5, 315), 3) == 0.05
    assert items_for_kappa(0.46, 0.5, 0.05) == 316


def test_the_error_of_kappa_is_that_of_simulated_raters():
    """Two raters who share a truth in 30 % and copy it with probability sqrt(kappa)."""
    rng = np.random.default_rng(0)
    kappa, share, n = 0.4, 0.3, 400
    found = []
    for _ in range(1500):
        truth = rng.random(n) < share
        raters = [
            np.where(rng.random(n) < kappa**0.5, truth, rng.random(n) < share) for _ in range(2)
        ]
        p = np.mean([r.mean() for r in raters])
        expected = p**2 + (1 - p) ** 2
        found.append(((raters[0] == raters[1]).mean() - expected) / (1 - expected))

    assert np.std(found) == pytest.approx(kappa_error(kappa, share, n), rel=0.06)


def test_four_times_the_items_halve_the_interval():
    found = half_widths(Statistic(value=0.7, low=0.6, high=0.8, n=100), [100, 400, 0])

    assert [(w.items, w.half_width) for w in found] == [
        (100, pytest.approx(0.1)),
        (400, pytest.approx(0.05)),
    ]
    (alone,) = half_widths(Statistic(value=0.73, n=0), [303])
    assert alone.half_width == pytest.approx(0.05, abs=0.0005)
    assert half_widths(Statistic(value=None, n=0), [10]) == []


def test_counts_of_a_uniform_share_are_equally_likely():
    assert count_probabilities(1.0, 3) == pytest.approx([0.25] * 4)


def test_the_variance_of_agreement_of_two_labels_is_that_of_a_coin():
    assert agreement_variance(concentration_of(0.7), 2) == pytest.approx(0.7 * 0.3)


@pytest.mark.parametrize("k", [3, 5])
def test_the_variance_of_agreement_is_that_of_simulated_items(k):
    rng = np.random.default_rng(1)
    alpha = concentration_of(0.68)
    x = rng.binomial(k, rng.beta(alpha, alpha, 200_000))
    agreed = (x * (x - 1) + (k - x) * (k - x - 1)) / (k * (k - 1))

    assert agreement_variance(alpha, k) == pytest.approx(agreed.var(), rel=0.02)


def test_three_judgments_a_comparison_are_best_or_near_best():
    """STATISTICS.md 6.2: standard error 10 to 20 % under that of two, at equal cost."""
    for a in (0.63, 0.70, 0.75):
        options = {o.judgments_per_item: o for o in overlap_options(a, 0.02)}

        assert 0.80 <= (options[3].judgments / options[2].judgments) ** 0.5 <= 0.92
        best = min(option.judgments for option in options.values())
        assert (options[3].judgments / best) ** 0.5 <= 1.1
    assert overlap_options(0.7, 0.02)[0].judgments == min(
        o.judgments for o in overlap_options(0.7, 0.02)
    )


def test_a_design_effect_is_the_measured_variance_over_that_of_independent_items():
    half = 1.959964 * (0.7 * 0.3 / 100) ** 0.5
    wide = Statistic(value=0.7, low=0.7 - 2 * half, high=0.7 + 2 * half, n=100)

    assert design_effect(wide) == pytest.approx(4)
    assert design_effect(Statistic(value=0.7, n=100)) == 1
    doubled, single = (
        overlap_options(0.7, 0.05, design_effect=d, judgments_per_item=[2])[0].items for d in (2, 1)
    )
    assert doubled == pytest.approx(2 * single, abs=1)
