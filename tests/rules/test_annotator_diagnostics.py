"""Diagnostics find planted annotators, and leave the others alone."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.annotator_diagnostics import (
    circular_triads,
    consistency,
    drift,
    entropy,
    intransitivity,
    length_bias,
    length_bias_beside,
    position_bias,
    preference,
    side_difference,
)
from app.rules.significance import discoveries


def test_who_always_clicks_left_is_flagged_among_twelve():
    """STATISTICS.md 10.5. Eleven fair ones, one of whom says left in 9 of 10."""
    rng = np.random.default_rng(0)
    n = rng.integers(80, 200, 12)
    left = rng.binomial(n, 0.5)
    left[7] = round(0.9 * n[7])

    flags = discoveries([position_bias(int(k), int(m)).p for k, m in zip(left, n, strict=True)])

    assert [i for i, flag in enumerate(flags) if flag] == [7]


def test_side_bias_that_hides_behind_ties():
    found = side_difference(30, 10, 60)

    assert found.value == pytest.approx(0.2)
    # The variance of one judgment is 0.4 - 0.2^2.
    half = 1.96 * math.sqrt(0.36 / 100)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
    assert side_difference(0, 0, 0).reason == "no_data"
    assert side_difference(3, 2, 1).reason == "too_few_for_interval"


def test_consistency_has_wilsons_interval():
    found = consistency(8, 10)

    assert (round(found.low, 2), round(found.high, 2)) == (0.49, 0.94)
    assert consistency(0, 0).reason == "no_repeats"


def test_length_and_side_are_told_apart():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 0.7, 3000)
    left = rng.random(3000) < 1 / (1 + np.exp(-(0.4 + 0.8 * x)))

    found = length_bias(x, left, np.ones(3000), prompts=np.repeat(np.arange(1000), 3))

    side, length = found.intercept.statistic, found.slope.statistic
    assert side.low <= 0.4 <= side.high
    assert length.low <= 0.8 <= length.high
    assert length.high - length.low < 0.35


def test_bins_of_a_tenth_change_the_length_bias_little():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 0.7, 2000)
    left = rng.random(2000) < 1 / (1 + np.exp(-x))
    bins, where = np.unique(np.round(10 * x), return_inverse=True)

    exact = length_bias(x, left, np.ones(2000)).slope.statistic
    binned = length_bias(bins / 10, np.bincount(where, left), np.bincount(where)).slope.statistic

    assert binned.value == pytest.approx(exact.value, abs=0.01)
    assert binned.high == pytest.approx(exact.high, abs=0.02)


def test_only_who_follows_length_more_than_the_others_is_flagged():
    rng = np.random.default_rng(3)

    def annotator(slope, n):
        x = rng.normal(0, 0.7, n)
        return length_bias(x, rng.random(n) < 1 / (1 + np.exp(-slope * x)), np.ones(n))

    others = annotator(1.0, 4000)
    p_values = [length_bias_beside(annotator(s, 200), others).p for s in (1, 1, 1, 1, 1, 4)]

    assert discoveries(p_values) == [False] * 5 + [True]


def test_a_liking_for_markdown_is_compared_with_the_others():
    assert preference(60, 100, 600, 1000).p == pytest.approx(1.0, abs=0.1)
    assert preference(90, 100, 600, 1000).p < 1e-6


def test_drift_is_a_change_per_week():
    found = drift([0, 1, 2, 3], [18, 16, 14, 12], [20, 20, 20, 20])

    assert found.statistic.value == pytest.approx(-0.1)
    assert found.p < 0.05


def test_entropy_by_hand():
    assert entropy([5, 5]).value == pytest.approx(1)
    assert entropy([5, 0, 0]).value == 0
    assert entropy([2, 1, 1]).value == pytest.approx(1.5)
    assert entropy([0, 0]).value is None
    # The delta method: the variance of log p, 0.3 * 0.7 * log2(7 / 3)^2, over n.
    found = entropy([300, 700])
    error = math.sqrt(0.21 * math.log2(7 / 3) ** 2 / 1000)
    assert (found.high - found.low) / 3.92 == pytest.approx(error, rel=0.08)


def tournament(order):
    beats = np.zeros((len(order), len(order)), dtype=bool)
    for place, i in enumerate(order):
        beats[i, order[place + 1 :]] = True
    return beats


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7])
def test_a_ranking_has_no_cycle(n):
    found = circular_triads(tournament(list(range(n))))

    assert (found.cycles, found.triples, found.consistency) == (0, math.comb(n, 3), 1)


def test_rock_paper_scissors_is_all_cycle():
    beats = np.zeros((3, 3), dtype=bool)
    beats[0, 1] = beats[1, 2] = beats[2, 0] = True

    found = circular_triads(beats)

    assert (found.cycles, found.triples, found.consistency) == (1, 1, 0)


@given(st.integers(0, 2**15 - 1))
def test_cycles_of_six_equal_kendalls_formula(bits):
    """d = C(n, 3) - sum C(s_i, 2), zeta = 1 - 24 d / (n^3 - 4 n)."""
    beats = np.zeros((6, 6), dtype=bool)
    for place, (i, j) in enumerate(combinations(range(6), 2)):
        winner, loser = (i, j) if bits >> place & 1 else (j, i)
        beats[winner, loser] = True
    d = 20 - sum(math.comb(int(s), 2) for s in beats.sum(axis=1))

    found = circular_triads(beats)

    assert (found.cycles, found.triples) == (d, 20)
    assert found.consistency == pytest.approx(1 - 24 * d / (216 - 24))


def test_a_tie_leaves_its_triples_out_and_zeta_undefined():
    beats = tournament([0, 1, 2, 3])
    beats[0, 1] = False

    found = circular_triads(beats)

    # The triples with 0 and 1 are gone: two of four are left.
    assert (found.triples, found.cycles, found.consistency) == (2, 0, None)
    assert circular_triads(np.zeros((3, 3))).triples == 0


def test_circles_of_several_prompts_are_pooled_and_prompts_are_resampled():
    """Of 10 prompts a ranking of four, of 10 three that go round, of 5 nothing to tell."""
    cycle = np.roll(np.eye(3, dtype=bool), 1, axis=1)
    prompts = [
        *[circular_triads(tournament([0, 1, 2, 3]))] * 10,
        *[circular_triads(cycle)] * 10,
        *[circular_triads(np.zeros((3, 3)))] * 5,
    ]

    found = intransitivity(prompts)

    assert (found.share.value, found.share.n) == (pytest.approx(10 / 50), 20)
    assert (found.consistency.value, found.consistency.n) == (pytest.approx(0.5), 20)
    # With k of 20 that go round the share is k / (80 - 3 k); k is binomial, from 6 to 14.
    assert found.share.low == pytest.approx(6 / 62)
    assert found.share.high == pytest.approx(14 / 38)
    assert intransitivity([]).share.reason == "no_triples"
