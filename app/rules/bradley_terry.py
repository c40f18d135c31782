"""Bradley-Terry: P(i beats j) = 1 / (1 + exp(theta_j - theta_i)), from contests between m sources.

A tie counts as half a win for each, which is a working likelihood and no model of ties (`davidson`
is one). Strengths are natural logarithms with mean zero. Left out: Elo, which depends on the order.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.special import expit

from app.rules.bootstrap import Floats, Integers, Mask, Statistic

ARENA_CENTRE = 1000.0
ARENA_UNIT = 400 / math.log(10)
_MAX_STEPS = 100
_LONGEST_STEP = 2.0
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Contests:
    """Verdicts between sources, added up as far as one likes; K rows."""

    first: Integers
    """(K,): number of a source, from 0."""
    second: Integers
    groups: Integers
    """(K,): the unit of resampling, a prompt or a group of prompts."""
    wins: Integers
    """(K, 3): verdicts for the first, for the second, ties."""
    n_sources: int

    def __post_init__(self) -> None:
        if (self.first == self.second).any():
            raise ValueError("a source has no contest with itself; leave such rows out")

    @property
    def scores(self) -> tuple[Floats, Floats]:
        """(K,) wins of the first and of the second, ties as halves."""
        halves = self.wins[:, 2] / 2
        return self.wins[:, 0] + halves, self.wins[:, 1] + halves

    def win_matrix(self) -> Floats:
        """(m, m): how often i beat j, the sufficient statistic."""
        of_first, of_second = self.scores
        wins = np.zeros((self.n_sources, self.n_sources))
        np.add.at(wins, (self.first, self.second), of_first)
        np.add.at(wins, (self.second, self.first), of_second)
        return wins


def components(wins: Floats) -> list[list[int]]:
    """Sources in strongly connected parts of the graph of wins, strong parts by their least number.

    The maximum likelihood exists where there is one part (Ford 1957): otherwise some sources never
    lost to, or were never compared with, others.
    """
    graph: sparse.csr_matrix = sparse.csr_matrix((wins > 0).astype(np.float64))
    n, label = csgraph.connected_components(graph, connection="strong")
    parts = [np.flatnonzero(label == part).tolist() for part in range(n)]
    return sorted(parts)


def is_connected(wins: Floats) -> Mask:
    """(B,): which of (B, m, m) win matrices have one strongly connected part."""
    reached: Floats = np.where(wins > 0, 1.0, np.eye(wins.shape[1]))
    for _ in range(max(1, (wins.shape[1] - 1).bit_length())):
        reached = np.minimum(reached @ reached, 1.0)
    connected: Mask = np.all(reached > 0, axis=(1, 2))
    return connected


def strengths(wins: Floats, *, start: Floats | None = None, ridge: float = 0.0) -> Floats:
    """(B, m) strengths that maximise the likelihood of each of (B, m, m) connected win matrices.

    Newton's method on a concave function, from `start` (m,). ridge adds -(ridge / 2) sum theta^2,
    so that the maximum exists for any matrix. Raises ArithmeticError where iteration does not end,
    which it does for every connected matrix.
    """
    size, m, _ = wins.shape
    contests = wins + wins.transpose(0, 2, 1)
    scored = wins.sum(axis=2)
    theta = np.tile(np.zeros(m) if start is None else start - start.mean(), (size, 1))
    diagonal = np.arange(m)
    left = np.arange(size)
    for _ in range(_MAX_STEPS):
        at, n = theta[left], contests[left]
        p = expit(at[:, :, None] - at[:, None, :])
        expected = n * p
        gradient = scored[left] - expected.sum(axis=2) - ridge * at
        hessian = -expected * (1 - p)
        rows = -hessian.sum(axis=2) + ridge
        # The likelihood is flat along (1, ..., 1); any curvature there keeps the mean at zero.
        hessian += rows.mean(axis=1)[:, None, None] / m
        hessian[:, diagonal, diagonal] += rows
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, 1e-300))[:, None]
        theta[left] = at + step
        left = left[longest > _TOLERANCE]
        if not len(left):
            theta -= theta.mean(axis=1, keepdims=True)
            return theta
    raise ArithmeticError("strengths do not converge; is every win matrix connected?")


def clustered_covariance(contests: Contests, theta: Floats, *, ridge: float = 0.0) -> Floats:
    """(m, m): sandwich covariance of the strengths, clustered by group, times G / (G - 1).

    Its blocks are the information and the products of the groups' scores (Liang & Zeger 1986,
    Biometrika 73). NaN with a single group.
    """
    of_first, of_second = contests.scores
    n = of_first + of_second
    p = expit(theta[contests.first] - theta[contests.second])
    names, group = np.unique(contests.groups, return_inverse=True)
    scores = np.zeros((len(names), contests.n_sources))
    np.add.at(scores, (group, contests.first), of_first - n * p)
    np.add.at(scores, (group, contests.second), n * p - of_first)
    information = np.zeros((contests.n_sources, contests.n_sources))
    for i, j, sign in (
        (contests.first, contests.first, 1),
        (contests.second, contests.second, 1),
        (contests.first, contests.second, -1),
        (contests.second, contests.first, -1),
    ):
        np.add.at(information, (i, j), sign * n * p * (1 - p))
    # Scores have the sum zero, so what stands in for the flat direction (1, ..., 1) cancels.
    m = contests.n_sources
    bread = np.linalg.inv(information + ridge * np.eye(m) + information.trace() / m**2)
    g = len(names)
    correction = g / (g - 1) if g > 1 else math.nan
    # A product with itself: rounding makes no variance negative.
    spread = scores @ bread
    covariance: Floats = correction * spread.T @ spread
    return covariance


@dataclass(frozen=True, kw_only=True)
class PairFit:
    """How often `first` wins, ties as halves, and how often the strengths say."""

    first: int
    second: int
    n: int
    observed: float
    predicted: float


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Three sources of which each beats the next, and the last one the first."""

    sources: tuple[int, int, int]
    """The least number first."""
    shares: tuple[float, float, float]
    """In which the first beats the second, and so on; ties as halves."""


def pair_fits(wins: Floats, theta: Floats) -> list[PairFit]:
    """Every pair that met, the largest difference in standard errors first."""
    n = wins + wins.T
    predicted = expit(theta[:, None] - theta[None, :])
    fits = [
        PairFit(
            first=int(i),
            second=int(j),
            n=round(n[i, j]),
            observed=float(wins[i, j] / n[i, j]),
            predicted=float(predicted[i, j]),
        )
        for i, j in np.argwhere(np.triu(n) > 0)
    ]
    return sorted(fits, key=_surprise, reverse=True)


def _surprise(fit: PairFit) -> float:
    variance = fit.predicted * (1 - fit.predicted) / fit.n
    return abs(fit.observed - fit.predicted) / math.sqrt(variance)


def cyclic_triples(wins: Floats) -> Statistic:
    """Share of triples that go round (i beats j beats k beats i) among those where every two met
    and neither won half. One strength each cannot express a cycle."""
    beats = (wins > wins.T).astype(np.float64)
    either = beats + beats.T
    triples = round(float(np.trace(either @ either @ either)) / 6)
    if triples == 0:
        return Statistic(value=None, n=0, reason="no_triples")
    cycles = round(float(np.trace(beats @ beats @ beats)) / 3)
    return Statistic(value=cycles / triples, n=triples, reason="not_independent")


def cycles(wins: Floats, most: int) -> list[Cycle]:
    """Triples that go round; the one first whose weakest win is the clearest."""
    n = wins + wins.T
    share = np.divide(wins, n, out=np.zeros_like(wins), where=n > 0)
    beats = share > 0.5
    rounds = beats[:, :, None] & beats[None, :, :] & beats.T[:, None, :]
    found = [
        Cycle(
            sources=(int(i), int(j), int(k)),
            shares=(float(share[i, j]), float(share[j, k]), float(share[k, i])),
        )
        for i, j, k in np.argwhere(rounds)
        if i < j and i < k
    ]
    return sorted(found, key=lambda cycle: (-min(cycle.shares), cycle.sources))[:most]


def arena_scale(theta: float) -> float:
    """The scale of Chatbot Arena, on which 400 points are odds of 10 to 1."""
    return ARENA_CENTRE + ARENA_UNIT * theta
