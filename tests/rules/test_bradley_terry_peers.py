"""Bradley-Terry on random tables beside two independent implementations, and a statistical one.

choix minimises the likelihood of single wins by Newton's method; evalica iterates as Zermelo did
and counts a tie as half a win each; statsmodels fits a logistic regression. Where the maximum does
not exist the first two answer all the same: such tables are left to our own test of connection.
"""

import choix
import evalica
import numpy as np
import pytest
import statsmodels.api as sm
from evalica import Winner

from app.rules import davidson
from app.rules.bradley_terry import Contests, is_connected, strengths
from app.rules.leaderboard import leaderboard


def random_contests(seed: int) -> Contests:
    """From three to eight sources, every pair with up to nine wins a side and up to five ties, some
    pairs never met."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(3, 9))
    first, second = np.triu_indices(m, 1)
    theta = rng.normal(0, 1, m)
    n = rng.integers(0, 10, len(first)) * (rng.random(len(first)) < 0.8)
    won = rng.binomial(n, 1 / (1 + np.exp(theta[second] - theta[first])))
    ties = np.where(n > 0, rng.integers(0, 6, len(first)), 0)
    return Contests(
        first=first,
        second=second,
        groups=np.zeros(len(first), np.int64),
        wins=np.column_stack([won, n - won, ties]),
        n_sources=m,
    )


def connected(*, ties: bool) -> list[Contests]:
    """Twenty that have a maximum."""
    found = []
    for seed in range(100):
        made = random_contests(seed)
        if not ties:
            made.wins[:, 2] = 0
        if is_connected(made.win_matrix()[None])[0]:
            found.append(made)
    assert len(found) >= 20
    return found[:20]


def ours(made: Contests) -> np.ndarray:
    return strengths(made.win_matrix()[None])[0]


@pytest.mark.parametrize("made", connected(ties=False))
def test_wins_have_the_strengths_of_choix(made):
    singles = [
        pair
        for i, j, (won, lost, _) in zip(made.first, made.second, made.wins.tolist(), strict=True)
        for pair in [(int(i), int(j))] * won + [(int(j), int(i))] * lost
    ]

    peer = choix.opt_pairwise(made.n_sources, singles, alpha=0.0, tol=1e-10)

    assert ours(made) == pytest.approx(peer - peer.mean(), abs=1e-5)


@pytest.mark.parametrize("made", connected(ties=True))
def test_wins_and_ties_have_the_strengths_of_evalica(made):
    rows = [
        (f"s{i}", f"s{j}", winner)
        for i, j, counts in zip(made.first, made.second, made.wins.tolist(), strict=True)
        for winner, n in zip((Winner.X, Winner.Y, Winner.Draw), counts, strict=True)
        for _ in range(n)
    ]

    found = evalica.bradley_terry(*zip(*rows, strict=True), tolerance=1e-13, limit=100_000)

    peer = np.log([found.scores[f"s{i}"] for i in range(made.n_sources)])
    assert ours(made) == pytest.approx(peer - peer.mean(), abs=1e-5)


@pytest.mark.parametrize("made", connected(ties=False)[:5])
def test_wins_have_the_strengths_of_a_logistic_regression(made):
    design = np.zeros((len(made.first), made.n_sources))
    rows = np.arange(len(made.first))
    design[rows, made.first], design[rows, made.second] = 1, -1
    met = made.wins[:, :2].sum(axis=1) > 0

    # The last source is the one that the others are told beside.
    peer = sm.GLM(made.wins[met, :2], design[met, :-1], family=sm.families.Binomial()).fit(
        tol=1e-12
    )

    beside = np.append(peer.params, 0.0)
    assert ours(made) == pytest.approx(beside - beside.mean(), abs=1e-5)


@pytest.mark.parametrize("made", connected(ties=True)[:8])
def test_ties_have_the_weight_of_a_log_linear_model(made):
    """Davidson's model is one of Poisson counts: a level for each pair, half of both strengths for
    a tie, and ln nu."""
    m, pairs = made.n_sources, np.flatnonzero(made.wins.any(axis=1))
    counts, design = [], []
    for place, row in enumerate(pairs):
        i, j = made.first[row], made.second[row]
        for outcome, halves in enumerate(((2, 0), (0, 2), (1, 1))):
            line = np.zeros(m + len(pairs) + 1)
            line[i], line[j] = halves[0] / 2, halves[1] / 2
            line[m + place] = 1
            line[-1] = outcome == 2
            design.append(np.delete(line, m - 1))
            counts.append(made.wins[row, outcome])
    peer = sm.GLM(counts, np.array(design), family=sm.families.Poisson()).fit(tol=1e-12)
    beside = np.append(peer.params[: m - 1], 0.0)

    found = davidson.fit(made)

    assert found.nu == pytest.approx(np.exp(peer.params[-1]), rel=1e-5)
    assert found.strengths == pytest.approx(beside - beside.mean(), abs=1e-5)


def test_where_sources_fall_apart_a_peer_answers_and_we_do_not():
    """`c` beat both others and lost to nobody; evalica says that all three are equally strong."""
    rows = [("a", "b", Winner.X), ("b", "a", Winner.X), ("c", "a", Winner.X), ("c", "b", Winner.X)]
    peer = evalica.bradley_terry(*zip(*rows, strict=True)).scores
    assert peer["c"] == pytest.approx(peer["a"]) == pytest.approx(peer["b"])

    none = leaderboard(
        Contests(
            first=np.array([0, 1, 2, 2]), second=np.array([1, 0, 0, 1]), groups=np.arange(4),
            wins=np.tile([1, 0, 0], (4, 1)), n_sources=3,
        )
    )  # fmt: skip
    assert (none.reason, none.components) == ("not_connected", ((0, 1), (2,)))
