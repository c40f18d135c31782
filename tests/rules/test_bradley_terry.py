"""Bradley-Terry strengths against published values, hand computation and another optimiser."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from app.rules.bradley_terry import (
    Contests,
    arena_scale,
    clustered_covariance,
    components,
    cycles,
    cyclic_triples,
    is_connected,
    pair_fits,
    strengths,
)

# Agresti, Categorical Data Analysis (2002), table 10.10: American League 1987, row beats column.
TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
BASEBALL = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=float,
)
# Relative to Baltimore, with standard errors, as BradleyTerry2 prints them.
PUBLISHED = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0]
ERRORS = [0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319]


def contests(wins: np.ndarray, groups: int = 1) -> Contests:
    """One row for each pair and direction."""
    i, j = np.nonzero(wins)
    counts = np.zeros((len(i), 3), dtype=np.int64)
    counts[:, 0] = wins[i, j]
    return Contests(
        first=i, second=j, groups=np.arange(len(i)) % groups, wins=counts, n_sources=len(wins)
    )


def test_the_baseball_teams_have_their_published_strengths():
    (theta,) = strengths(BASEBALL[None])

    assert theta.sum() == pytest.approx(0, abs=1e-9)
    assert theta - theta[-1] == pytest.approx(PUBLISHED, abs=1e-4)


def test_with_one_game_a_group_the_sandwich_is_near_the_published_errors():
    """Every single game is a group, so the sandwich differs from the inverse information only as
    far as the model does from the data."""
    i, j = np.nonzero(BASEBALL)
    times = BASEBALL[i, j].astype(int)
    first, second = np.repeat(i, times), np.repeat(j, times)
    games = Contests(
        first=first,
        second=second,
        groups=np.arange(len(first)),
        wins=np.tile([1, 0, 0], (len(first), 1)),
        n_sources=7,
    )

    covariance = clustered_covariance(games, strengths(BASEBALL[None])[0])

    to_last = covariance[:-1, :-1] + covariance[-1, -1]
    to_last = to_last - covariance[:-1, [-1]] - covariance[[-1], :-1]
    assert np.sqrt(np.diag(to_last)) == pytest.approx(ERRORS, rel=0.12)


def test_two_sources_have_the_log_odds():
    (theta,) = strengths(np.array([[[0.0, 6.0], [2.0, 0.0]]]))

    assert theta == pytest.approx([math.log(3) / 2, -math.log(3) / 2])


def test_the_sandwich_of_two_sources_by_hand():
    """Groups with 3 and 1, 3 and 1 wins of 4: p = 3/4, scores 0, so no variance between groups;
    with 4 to 0 and 2 to 2 the scores are 1 and -1, information 8 * 3/16 = 3/2, and the variance of
    the difference is 2 * (1 + 1) / (3/2)^2."""

    def two(wins):
        return Contests(
            first=np.zeros(2, int), second=np.ones(2, int), groups=np.arange(2),
            wins=np.array(wins), n_sources=2,
        )  # fmt: skip

    theta = np.array([math.log(3) / 2, -math.log(3) / 2])
    difference = np.array([1.0, -1.0])

    assert difference @ clustered_covariance(two([[3, 1, 0]] * 2), theta) @ difference < 1e-12
    assert difference @ clustered_covariance(
        two([[4, 0, 0], [2, 2, 0]]), theta
    ) @ difference == pytest.approx(2 * 2 / 1.5**2)


def test_no_variance_is_negative_by_rounding():
    """The square root of -7.7e-34 is no number. All that the first source met is in one group, in
    which it wins as much as it is expected to, so nothing is left for it to vary with."""
    found = Contests(
        first=np.array([2, 1, 2, 1]),
        second=np.array([0, 2, 1, 0]),
        groups=np.array([2, 0, 3, 2]),
        wins=np.array([[1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 1, 0]]),
        n_sources=3,
    )
    (theta,) = strengths(found.win_matrix()[None])
    variances = np.diag(clustered_covariance(found, theta))
    assert (variances >= 0).all()
    assert variances[0] == pytest.approx(0, abs=1e-12)


def test_a_tie_is_half_a_win_for_each():
    tied = Contests(
        first=np.array([0, 1]),
        second=np.array([1, 0]),
        groups=np.zeros(2, int),
        wins=np.array([[3, 1, 2], [0, 1, 2]]),
        n_sources=2,
    )

    # 0 beats 1 in 3 + 1, half of 4 ties; 1 beats 0 once, half of 4 ties.
    assert tied.win_matrix().tolist() == [[0, 6], [3, 0]]


def test_a_source_that_never_lost_has_no_maximum():
    wins = np.array([[0.0, 2, 2], [0, 0, 1], [0, 1, 0]])

    assert components(wins) == [[0], [1, 2]]
    assert components(BASEBALL) == [[0, 1, 2, 3, 4, 5, 6]]


def test_sources_that_never_met_are_apart():
    assert components(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]])) == [[0, 1], [2]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_connection_of_many_matrices_equals_that_of_each(seed, m):
    wins = np.random.default_rng(seed).random((5, m, m)) < 1.7 / m

    assert is_connected(wins.astype(float)).tolist() == [len(components(w)) == 1 for w in wins]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5]))
def test_strengths_maximise_the_likelihood(seed, ridge):
    wins = np.random.default_rng(seed).integers(1, 12, (3, 4, 4)) / 2.0
    wins[:, range(4), range(4)] = 0

    found = strengths(wins, ridge=ridge)

    for one, theta in zip(wins, found, strict=True):

        def loss(x, one=one):
            gaps = x[:, None] - x[None, :]
            return (one * np.logaddexp(0, -gaps)).sum() + ridge / 2 * (x**2).sum()

        best = minimize(loss, np.zeros(4), tol=1e-12).x
        assert theta == pytest.approx(best - best.mean(), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(7)))
def test_names_of_sources_do_not_matter(order):
    (theta,) = strengths(BASEBALL[None])
    (renamed,) = strengths(BASEBALL[np.ix_(order, order)][None])

    assert renamed == pytest.approx(theta[order])


def test_a_ridge_gives_separable_sources_finite_strengths():
    """Two sources, one win: the mode solves 1 / (1 + e^(2x)) = ridge x."""
    (theta,) = strengths(np.array([[[0.0, 1.0], [0.0, 0.0]]]), ridge=0.1)

    x = theta[0]
    assert 1 / (1 + math.exp(2 * x)) == pytest.approx(0.1 * x)
    assert theta[1] == pytest.approx(-x)


def test_unconnected_sources_are_an_error_and_never_large_numbers():
    with pytest.raises((ArithmeticError, np.linalg.LinAlgError)):
        strengths(np.array([[[0.0, 1.0], [0.0, 0.0]]]))


def test_a_source_does_not_meet_itself():
    with pytest.raises(ValueError, match="with itself"):
        Contests(
            first=np.array([1]), second=np.array([1]), groups=np.array([0]),
            wins=np.array([[1, 0, 0]]), n_sources=2,
        )  # fmt: skip


def test_cycles_are_counted_among_decided_triples():
    # 0 > 1 > 2 > 0 goes round; 3 loses to all; 3 and 4 never met 4.
    wins = np.zeros((5, 5))
    for i, j in [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]:
        wins[i, j] = 1
    wins[0, 4] = wins[4, 0] = 1

    found = cyclic_triples(wins)

    assert (found.value, found.n) == (0.25, 4)
    assert cyclic_triples(np.zeros((3, 3))).reason == "no_triples"


def test_cycles_equal_a_count_over_triples():
    rng = np.random.default_rng(4)
    wins = rng.integers(0, 3, (8, 8)).astype(float)
    cyclic = decided = 0
    for triple in combinations(range(8), 3):
        signs = [
            np.sign(wins[a, b] - wins[b, a])
            for a, b in zip(triple, triple[1:] + triple[:1], strict=True)
        ]
        decided += 0 not in signs
        cyclic += abs(sum(signs)) == 3

    found = cyclic_triples(wins)
    assert (found.n, found.value) == (decided, pytest.approx(cyclic / decided))


def test_triples_that_go_round_are_named_with_the_clearest_first():
    """0 > 1 > 2 > 0 by 9, 8 and 7 of 10, and 0 > 3 > 2 > 0 by 6 of 10 and 8 of 10; ties decide
    nothing, so 1 and 3 are in no triple together."""
    wins = np.zeros((4, 4))
    for i, j, won in [(0, 1, 9), (1, 2, 8), (2, 0, 7), (0, 3, 6), (3, 2, 8), (1, 3, 5)]:
        wins[i, j], wins[j, i] = won, 10 - won

    first, second = cycles(wins, 10)

    assert (first.sources, first.shares) == ((0, 1, 2), (0.9, 0.8, 0.7))
    assert (second.sources, second.shares) == ((0, 3, 2), (0.6, 0.8, 0.7))
    assert cycles(wins, 1) == [first]
    assert cycles(BASEBALL * 0, 10) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_as_many_triples_are_named_as_are_counted(seed):
    wins = np.random.default_rng(seed).integers(0, 4, (7, 7)).astype(float)
    np.fill_diagonal(wins, 0)
    found = cyclic_triples(wins)

    named = cycles(wins, 100)

    assert len(named) == round((found.value or 0) * found.n)
    for cycle in named:
        i, j, k = cycle.sources
        assert min(wins[i, j] - wins[j, i], wins[j, k] - wins[k, j], wins[k, i] - wins[i, k]) > 0


def test_the_fit_of_pairs_names_what_the_strengths_cannot_say():
    """Rock, paper, scissors: all strengths are equal, and every pair is observed otherwise."""
    wins = np.array([[0.0, 9, 1], [1, 0, 9], [9, 1, 0]])

    (theta,) = strengths(wins[None])
    fits = pair_fits(wins, theta)

    assert theta == pytest.approx(np.zeros(3), abs=1e-9)
    assert {(f.first, f.second): f.observed for f in fits} == {
        (0, 1): 0.9,
        (0, 2): 0.1,
        (1, 2): 0.9,
    }
    assert all(f.predicted == pytest.approx(0.5) and f.n == 10 for f in fits)


def test_ten_to_one_is_400_points_of_the_arena():
    assert arena_scale(0) == 1000
    assert arena_scale(math.log(10)) == pytest.approx(1400)


def elo(games: list[tuple[int, int]]) -> list[float]:
    """Scores after games of a winner and a loser, with steps of 4 on the scale of 400."""
    scores = [1000.0] * 3
    for winner, loser in games:
        expected = 1 / (1 + 10 ** ((scores[loser] - scores[winner]) / 400))
        scores[winner] += 4 * (1 - expected)
        scores[loser] -= 4 * (1 - expected)
    return scores


def test_strengths_do_not_depend_on_the_order_of_games_as_elo_does():
    """Sixty verdicts between three sources, then the same from the last to the first."""
    rng = np.random.default_rng(1)
    pairs = [rng.choice(3, 2, replace=False).tolist() for _ in range(60)]
    games = [(i, j) if rng.random() < 1 / (1 + math.exp(i - j)) else (j, i) for i, j in pairs]

    def fitted(order: list[tuple[int, int]]) -> np.ndarray:
        first, second = np.array(order).T
        wins = np.tile([1, 0, 0], (60, 1))
        rows = Contests(first=first, second=second, groups=np.arange(60), wins=wins, n_sources=3)
        return strengths(rows.win_matrix()[None])[0]

    assert fitted(games[::-1]) == pytest.approx(fitted(games), abs=1e-12)
    moved = np.abs(np.array(elo(games)) - np.array(elo(games[::-1])))
    assert (moved > 0.01).all()
