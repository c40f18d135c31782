"""Pace relative to the text shown."""

import math

import numpy as np
import pytest

from app.rules.pace import (
    click_through,
    median_of,
    median_of_bins,
    pace_z,
    robust_z,
    unusual_times,
)


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
    found = median_of_bins([0.1, 0.0], [30, 10], 0.1)
    assert (found.value, found.n) == (pytest.approx(0.05 + 0.1 / 3), 40)
    # P(14 heads or fewer of 40) = 0.040 / 2, P(13 or fewer) = 0.019 / 2: ranks 14 and 27, which are
    # 3.5 and 16.5 thirtieths into the second bin.
    assert (found.low, found.high) == (
        pytest.approx(0.05 + 0.1 * 3.5 / 30),
        pytest.approx(0.05 + 0.1 * 16.5 / 30),
    )
    none = median_of_bins([], [], 0.1)
    assert (none.value, none.n, none.reason) == (None, 0, "no_times")


def test_the_median_of_values_lies_between_two_of_them():
    # Of six, the least and the largest: all are above the median in 1 of 64 cases. Of ten the
    # second and the ninth: 11 of 1,024.
    for n, low, high in ((6, 1, 6), (9, 2, 8), (10, 2, 9)):
        found = median_of([float(x) for x in range(n, 0, -1)])
        assert (found.value, found.low, found.high, found.n) == ((n + 1) / 2, low, high, n)
    few = median_of([1.0, 2.0, 3.0, 4.0, 9.0])
    assert (few.value, few.low, few.reason) == (3.0, None, "too_few_judgments")
    assert median_of([]).reason == "no_times"


def test_the_interval_of_a_median_covers_it():
    """2,000 draws of 25 from a skewed distribution, whose median is ln 2: the ranks 8 and 18 of 25
    miss it in 4.3 %."""
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(2000):
        found = median_of(rng.exponential(size=25).tolist())
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= math.log(2) <= found.high
    assert 0.945 < covered / 2000 < 0.97


def test_the_median_of_bins_is_near_that_of_the_values():
    x = np.random.default_rng(1).normal(0.5, 0.6, 5000)
    bins, counts = np.unique(np.round(10 * x), return_counts=True)

    found = median_of_bins((bins / 10).tolist(), counts.tolist(), 0.1)
    expected = median_of(x.tolist())
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=0.01)
    assert found.n == 5000
