"""Leaderboards: intervals that hold what is true, and silence where nothing can be said."""

import time

import numpy as np
import pytest
from scipy.optimize import minimize

from app.rules.bradley_terry import Contests
from app.rules.leaderboard import leaderboard


def simulated(theta, *, groups: int, per_pair: int, seed: int, spread: float = 0.0) -> Contests:
    """Every pair meets `per_pair` times in each group; `spread` moves strengths within a group."""
    rng = np.random.default_rng(seed)
    m = len(theta)
    i, j = np.triu_indices(m, 1)
    local = theta + spread * rng.normal(size=(groups, m))
    p = 1 / (1 + np.exp(local[:, j] - local[:, i]))
    won = rng.binomial(per_pair, p)
    return Contests(
        first=np.tile(i, groups),
        second=np.tile(j, groups),
        groups=np.repeat(np.arange(groups), len(i)),
        wins=np.column_stack([won.ravel(), per_pair - won.ravel(), np.zeros(won.size, int)]),
        n_sources=m,
    )


THETA = np.array([1.0, 0.5, 0.0, -0.5, -1.0])


def test_the_true_strength_is_in_its_interval_about_95_times_in_100():
    """25 leaderboards of 5, 125 intervals whose sources in one leaderboard hang together."""
    inside = []
    for seed in range(25):
        found = leaderboard(simulated(THETA, groups=60, per_pair=3, seed=seed), replicates=400)
        inside += [
            r.strength.low <= theta <= r.strength.high
            for r, theta in zip(found.ratings, THETA, strict=True)
        ]

    assert 0.88 <= np.mean(inside) <= 0.99


def test_contests_of_one_group_hang_together_and_widen_the_interval():
    alone = leaderboard(simulated(THETA, groups=60, per_pair=6, seed=1), replicates=400)
    together = leaderboard(
        simulated(THETA, groups=60, per_pair=6, seed=1, spread=1.5), replicates=400
    )

    widths = [
        np.mean([r.strength.high - r.strength.low for r in found.ratings])
        for found in (alone, together)
    ]
    assert widths[1] > 1.5 * widths[0]


def test_the_bootstrap_and_the_sandwich_agree():
    found = leaderboard(simulated(THETA, groups=200, per_pair=2, seed=2))

    for rating in found.ratings:
        half = (rating.strength.high - rating.strength.low) / 2
        assert half == pytest.approx(1.96 * rating.standard_error, rel=0.12)


def test_ranks_have_intervals_from_the_same_draws():
    found = leaderboard(simulated(np.array([2.0, 0.0, 0.0]), groups=40, per_pair=5, seed=3))

    best, *others = found.ratings
    assert (best.rank, best.rank_low, best.rank_high) == (1, 1, 1)
    assert {r.rank_low for r in others} == {2}
    assert {r.rank_high for r in others} == {3}


def test_all_intervals_are_of_the_same_draws_of_whole_groups():
    """Written out: groups are drawn with replacement, and each draw's contests are put together
    and fitted by another optimiser."""
    contests = simulated(np.array([0.6, 0.0, -0.4]), groups=24, per_pair=2, seed=8)
    weights = np.random.default_rng(3).multinomial(24, np.full(24, 1 / 24), size=60)
    strengths, ranks, shares = [], [], []
    for times in weights:
        rows = np.concatenate(
            [np.flatnonzero(contests.groups == g) for g in np.repeat(range(24), times)]
        )
        wins = np.zeros((3, 3))
        for i, j, (won, lost, _) in zip(
            contests.first[rows], contests.second[rows], contests.wins[rows], strict=True
        ):
            wins[i, j] += won
            wins[j, i] += lost

        def loss(x, wins=wins):
            return (wins * np.logaddexp(0, x[None, :] - x[:, None])).sum() + x.sum() ** 2

        theta = minimize(loss, np.zeros(3), tol=1e-10).x
        strengths.append(theta)
        ranks.append([1 + (theta > own).sum() for own in theta])
        shares.append((wins[0, 1] / 48, 1 / (1 + np.exp(theta[1] - theta[0]))))

    found = leaderboard(contests, replicates=60, seed=3)

    low, high = np.percentile(strengths, [2.5, 97.5], axis=0)
    assert [r.strength.low for r in found.ratings] == pytest.approx(low.tolist(), abs=1e-4)
    assert [r.strength.high for r in found.ratings] == pytest.approx(high.tolist(), abs=1e-4)
    # Of 60 draws the second and the 59th.
    ordered = np.sort(ranks, axis=0)
    assert [r.rank_low for r in found.ratings] == ordered[1].tolist()
    assert [r.rank_high for r in found.ratings] == ordered[58].tolist()
    (pair,) = (p for p in found.misfits if (p.first, p.second) == (0, 1))
    observed, predicted = np.array(shares).T
    for statistic, drawn in (
        (pair.observed, observed),
        (pair.predicted, predicted),
        (pair.difference, observed - predicted),
    ):
        told = (statistic.low, statistic.high)
        assert told == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=1e-4)
        assert statistic.n == 48


def test_a_pair_that_strengths_describe_differs_from_them_about_5_times_in_100():
    outside = []
    for seed in range(20):
        found = leaderboard(simulated(THETA, groups=60, per_pair=3, seed=seed), replicates=400)
        outside += [p.difference.low > 0 or p.difference.high < 0 for p in found.misfits]
        assert len(found.misfits) == 10

    assert 0.02 <= np.mean(outside) <= 0.1


def test_pairs_that_go_round_are_told_from_what_strengths_say():
    """Rock, paper, scissors at 8 to 2."""
    pairs = np.array([[0, 1], [1, 2], [2, 0]])
    found = leaderboard(
        Contests(
            first=np.tile(pairs[:, 0], 40), second=np.tile(pairs[:, 1], 40),
            groups=np.repeat(np.arange(40), 3), wins=np.tile([8, 2, 0], (120, 1)), n_sources=3,
        )
    )  # fmt: skip

    told = {(p.first, p.second): p.difference for p in found.misfits}
    assert {pair: d.value for pair, d in told.items()} == {
        (0, 1): pytest.approx(0.3), (1, 2): pytest.approx(0.3), (0, 2): pytest.approx(-0.3)
    }  # fmt: skip
    assert told[0, 1].low > 0.25
    assert told[0, 2].high < -0.25


def test_what_always_came_out_the_same_way_or_met_seldom_has_no_interval():
    contests = simulated(np.array([0.5, 0.0, -0.5]), groups=30, per_pair=2, seed=5)
    contests.wins[(contests.first == 0) & (contests.second == 1)] = [2, 0, 0]
    seldom = (contests.first == 1) & (contests.second == 2) & (contests.groups >= 19)
    contests.wins[seldom] = 0

    found = {(p.first, p.second): p for p in leaderboard(contests).misfits}

    assert found[0, 1].observed.value == 1
    assert found[0, 1].observed.reason == found[0, 1].difference.reason == "one_outcome"
    assert found[1, 2].observed.reason == "too_few_for_interval"
    assert found[0, 2].observed.reason is None
    assert all(p.predicted.low < p.predicted.value < p.predicted.high for p in found.values())


def test_the_worst_pairs_are_told_and_the_others_counted(monkeypatch):
    contests = simulated(THETA, groups=30, per_pair=2, seed=6)
    every = leaderboard(contests, replicates=50).misfits
    monkeypatch.setattr("app.rules.leaderboard.MOST_PAIRS", 3)

    found = leaderboard(contests, replicates=50)

    assert (found.misfits, found.misfits_left_out) == (every[:3], 7)


def test_sources_that_cannot_be_compared_have_no_strengths():
    contests = Contests(
        first=np.array([0, 2]), second=np.array([1, 3]), groups=np.array([0, 1]),
        wins=np.array([[1, 1, 0], [0, 0, 2]]), n_sources=4,
    )  # fmt: skip

    found = leaderboard(contests)

    assert found.reason == "not_connected"
    assert found.components == ((0, 1), (2, 3))
    assert [r.strength.value for r in found.ratings] == [None] * 4
    assert [r.strength.n for r in found.ratings] == [2] * 4
    assert leaderboard(contests, ridge=1.0).ratings[0].strength.value == pytest.approx(0, abs=1e-9)


def test_no_contests_are_no_leaderboard():
    none = np.zeros(0, dtype=np.int64)
    found = leaderboard(
        Contests(first=none, second=none, groups=none, wins=none.reshape(0, 3), n_sources=0)
    )

    assert (found.reason, found.ratings, found.n) == ("no_contests", (), 0)


def test_under_twenty_groups_there_is_no_interval():
    found = leaderboard(simulated(THETA, groups=19, per_pair=5, seed=4))

    assert {r.strength.reason for r in found.ratings} == {"too_few_for_interval"}
    assert found.ratings[0].rank == 1
    assert found.ratings[0].rank_low is None


def test_draws_without_a_maximum_are_left_out_and_counted():
    """The last source won a single contest, in one group of 30: a draw misses that group with
    probability (29/30)^30 = 0.36."""
    contests = simulated(np.array([0.5, 0.0, -9.0]), groups=30, per_pair=2, seed=5)
    lost = (contests.second == 2) & (contests.groups != 7)
    contests.wins[lost | (contests.second == 2)] = [2, 0, 0]
    contests.wins[(contests.second == 2) & (contests.groups == 7) & (contests.first == 0)] = [
        1,
        1,
        0,
    ]

    found = leaderboard(contests)

    assert found.undefined_replicates == pytest.approx(2000 * (29 / 30) ** 30, rel=0.1)
    assert found.ratings[2].strength.low is not None


def test_twenty_sources_are_ranked_in_a_moment():
    contests = simulated(np.linspace(-2, 2, 20), groups=32, per_pair=20, seed=6)
    took = []
    for _ in range(3):
        start = time.process_time()
        leaderboard(contests)
        took.append(time.process_time() - start)

    assert min(took) < 0.6
