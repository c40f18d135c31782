"""Davidson's model of ties, by hand and against another optimiser."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from app.rules import davidson
from app.rules.bradley_terry import Contests, strengths


def pair_contests(i, j, wins, m) -> Contests:
    return Contests(
        first=np.array(i), second=np.array(j), groups=np.zeros(len(i), int),
        wins=np.array(wins), n_sources=m,
    )  # fmt: skip


def test_two_sources_by_hand():
    """The model has as many parameters as there are shares: pi_1 / pi_2 = 8 / 2, and
    nu = 6 / sqrt(8 * 2)."""
    found = davidson.fit(pair_contests([0], [1], [[8, 2, 6]], 2))

    assert found.strengths == pytest.approx([math.log(4) / 2, -math.log(4) / 2])
    assert found.nu == pytest.approx(1.5)
    assert found.tie_rate == pytest.approx(1.5 / 3.5)


def test_the_interval_of_nu_is_that_of_the_delta_method_where_groups_are_alike():
    """With two sources ln nu = ln t - (ln a + ln b) / 2, whose variance is 1 / t + 1 / (4 a) +
    1 / (4 b); 40 groups of five random judgments each are nearly independent judgments."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        wins = rng.multinomial(5, [0.5, 0.2, 0.3], size=40)
        contests = Contests(
            first=np.zeros(40, int), second=np.ones(40, int), groups=np.arange(40),
            wins=wins, n_sources=2,
        )  # fmt: skip
        found = davidson.nu_interval(contests, davidson.fit(contests))
        assert (found.n, found.value) == (200, pytest.approx(davidson.fit(contests).nu))
        errors.append(math.log(found.high / found.low) / 3.92)

    assert np.mean(errors) == pytest.approx(math.sqrt(1 / 60 + 1 / 400 + 1 / 160), rel=0.08)


def test_nu_without_ties_or_with_few_groups_has_no_interval():
    without = pair_contests([0, 0], [1, 1], [[3, 1, 0], [2, 2, 0]], 2)
    assert davidson.nu_interval(without, davidson.fit(without)).reason == "no_ties"
    few = pair_contests([0], [1], [[8, 2, 6]], 2)
    assert davidson.nu_interval(few, davidson.fit(few)).reason == "too_few_for_interval"


def test_without_ties_it_is_bradley_terry():
    contests = pair_contests([0, 1, 0], [1, 2, 2], [[5, 3, 0], [4, 4, 0], [6, 2, 0]], 3)

    found = davidson.fit(contests)

    assert found.nu == 0
    assert found.strengths == pytest.approx(strengths(contests.win_matrix()[None])[0])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_it_maximises_the_likelihood(seed):
    wins = np.random.default_rng(seed).integers(1, 9, (3, 3))
    i, j = np.array([0, 1, 0]), np.array([1, 2, 2])

    def loss(x):
        gap, nu = (x[i] - x[j]) / 2, math.exp(x[3])
        total = np.exp(gap) + np.exp(-gap) + nu
        logs = np.column_stack([gap, -gap, np.full(3, x[3])]) - np.log(total)[:, None]
        return -(wins * logs).sum()

    found = davidson.fit(pair_contests(i, j, wins, 3))

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    assert found.strengths == pytest.approx(best[:3] - best[:3].mean(), abs=1e-4)
    assert found.nu == pytest.approx(math.exp(best[3]), abs=1e-4)


def test_only_ties_and_unconnected_contests_have_no_maximum():
    assert davidson.fit(pair_contests([0], [1], [[0, 0, 4]], 2)) is None
    assert davidson.fit(pair_contests([0], [1], [[4, 0, 0]], 2)) is None


def test_a_source_that_won_or_tied_every_time_has_no_maximum():
    assert davidson.fit(pair_contests([0], [1], [[2, 0, 2]], 2)) is None
    # 0 beats 1 beats 2, and a tie of 0 and 2 shortens the way: what is stretched along wins is
    # stretched along the tie, two for one.
    wins = [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert davidson.fit(pair_contests([0, 1, 0], [1, 2, 2], wins, 3)) is not None
    # One win against the order of the others is enough as well.
    assert davidson.fit(pair_contests([0], [1], [[2, 1, 2]], 2)) is not None


def test_the_interval_is_that_of_leaving_out_one_group_after_the_other():
    """The jackknife written out: every group's contests taken away, and everything fitted anew."""
    rng = np.random.default_rng(2)
    first = rng.integers(0, 4, 60)
    contests = Contests(
        first=first, second=(first + rng.integers(1, 4, 60)) % 4, groups=np.arange(60) % 23,
        wins=rng.multinomial(5, [0.5, 0.3, 0.2], size=60), n_sources=4,
    )  # fmt: skip
    without = []
    for group in range(23):
        kept = contests.groups != group
        some = Contests(
            first=contests.first[kept], second=contests.second[kept],
            groups=contests.groups[kept], wins=contests.wins[kept], n_sources=4,
        )  # fmt: skip
        without.append(math.log(davidson.fit(some).nu))
    error = math.sqrt(22 / 23 * ((np.array(without) - np.mean(without)) ** 2).sum())

    found = davidson.nu_interval(contests, davidson.fit(contests))

    assert math.log(found.high / found.value) == pytest.approx(1.959964 * error, rel=1e-6)
    assert math.log(found.value / found.low) == pytest.approx(1.959964 * error, rel=1e-6)


@pytest.mark.parametrize("only_in_the_first", ["a win against the order", "a tie"])
def test_nu_has_no_interval_where_it_hangs_on_one_group(only_in_the_first):
    """Without that group the second never won, or there is no tie."""
    many = [1, 0, 1] if only_in_the_first == "a win against the order" else [1, 1, 0]
    wins = np.tile(many, (25, 1))
    wins[0] = [1, 1, 1]
    contests = Contests(
        first=np.zeros(25, int), second=np.ones(25, int), groups=np.arange(25), wins=wins,
        n_sources=2,
    )  # fmt: skip

    found = davidson.nu_interval(contests, davidson.fit(contests))

    assert (found.low, found.reason, found.n) == (None, "not_resampled", wins.sum())


def test_strengths_depend_on_the_scores_alone():
    """Three wins the other way round a circle: every source has the score, and every pair the
    contests and ties, that it had before."""
    there = [[6, 3, 2], [5, 4, 1], [2, 7, 3]]
    back = [[4, 5, 2], [3, 6, 1], [4, 5, 3]]
    i, j = [0, 1, 0], [1, 2, 2]
    one, other = (davidson.fit(pair_contests(i, j, wins, 3)) for wins in (there, back))

    assert other.strengths == pytest.approx(one.strengths)
    assert other.nu == pytest.approx(one.nu)
