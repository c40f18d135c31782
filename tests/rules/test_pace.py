"""Pace relative to the text shown."""

import math

import numpy as np
import pytest

from app.rules.pace import click_through, median_of_bins, pace_z, robust_z, unusual_times


def test_robust_z_by_hand():
    """1 2 3 4 100: median 3, deviations 2 1 0 1 97, their median 1."""
    assert robust_z([1, 2, 3, 4, 100]) == pytest.approx(0.6745 * np.array([-2, -1, 0, 1, 97]))


def test_equal_values_have_no_deviation():
    assert robust_z([5, 5, 5, 9]) is None
    assert len(robust_z([])) == 0


def test_a_click_through_is_found_and_a_long_text_is_not_slow():
    rng = np.random.default_rng(0)
    words = rng.integers(20, 2000, 200).astype(float)
    seconds = 3 * words**0.6 * np.exp(rng.normal(0, 0.25, 200))
    words[0], seconds[0] = 1800, 2.0
    words[1], seconds[1] = 1999, 3 * 1999**0.6

    z = pace_z(seconds, words)

    assert z[0] < -3.5
    assert np.flatnonzero(z < -3.5).tolist() == [0]
    assert abs(z[1]) < 1.5


def test_unusual_times_are_counted_by_their_side():
    """Deviations from the median 4 s, on logarithms: one far below, one far above, eight near."""
    seconds = [4.0, 4.1, 3.9, 4.2, 3.8, 4.05, 3.95, 4.0, 0.2, 90.0]

    found = unusual_times(seconds, [50.0] * 10)

    assert (found.share.value, found.fast.value, found.share.n) == (0.2, 0.1, 10)
    assert unusual_times([], []).share.reason == "no_times"


def test_a_steady_clock_has_no_z():
    assert pace_z([4.0] * 5, [10.0] * 5) is None
    assert unusual_times([4.0] * 5, [10.0] * 5).fast.reason == "equal_times"


def test_times_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="positive"):
        pace_z([0.0, 1.0], [5, 5])


def test_click_through_counts_what_nobody_reads():
    """ln 12 = 2.48: the bins at 2.5 and 3.0 are above."""
    found = click_through([1.0, 2.4, 2.5, 3.0], [70, 10, 15, 5])

    assert (found.statistic.value, found.statistic.n) == (0.2, 100)
    assert found.p < 1e-6
    assert click_through([], []).statistic.reason == "no_times"
    # 5 of 100 is what may be.
    assert click_through([1.0, 3.0], [95, 5]).p > 0.5


def test_the_median_of_bins_is_interpolated():
    # 10 in (-0.05, 0.05), 30 in (0.05, 0.15): the 20th of 40 is a third into the second bin.
    assert median_of_bins([0.1, 0.0], [30, 10], 0.1) == pytest.approx(0.05 + 0.1 / 3)
    assert median_of_bins([], [], 0.1) is None


def test_the_median_of_bins_is_near_that_of_the_values():
    x = np.random.default_rng(1).normal(0.5, 0.6, 5000)
    bins, counts = np.unique(np.round(10 * x), return_counts=True)

    assert median_of_bins((bins / 10).tolist(), counts.tolist(), 0.1) == pytest.approx(
        float(np.median(x)), abs=0.01
    )
    assert math.isclose(counts.sum(), 5000)
