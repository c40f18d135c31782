"""Sources ranked by Bradley-Terry strength, with intervals of strength and rank.

Intervals resample groups of contests (prompts, or random groups of prompts): a prompt that is easy
for one source is so in all its contests. Every replicate is fitted anew, started from the estimate.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from app.rules.bootstrap import FEWEST_UNITS, SEED, Floats, Integers, Statistic
from app.rules.bradley_terry import (
    Contests,
    clustered_covariance,
    components,
    is_connected,
    strengths,
)

REPLICATES = 2000
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One source."""

    strength: Statistic
    """Natural logarithm, the mean over all sources is zero; n counts its contests."""
    standard_error: float | None
    """Of the strength: sandwich, clustered by group. A check on the interval."""
    rank: int | None
    """1 is the strongest."""
    rank_low: int | None = None
    """95 % of the replicates rank it from here ..."""
    rank_high: int | None = None
    """... to here."""


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    ratings: tuple[Rating, ...]
    """By number of the source."""
    n: int
    """Contests."""
    ties: int
    groups: int
    reason: str | None
    """Why there are no strengths: `no_contests`, or `not_connected`."""
    components: tuple[tuple[int, ...], ...]
    """The parts in which strengths can be compared; one where there are strengths."""
    undefined_replicates: int
    """Left out of the intervals, because what was drawn was not connected."""


def leaderboard(
    contests: Contests, *, ridge: float = 0.0, replicates: int = REPLICATES, seed: int = SEED
) -> Leaderboard:
    """Maximum likelihood, or with ridge > 0 the mode under a prior N(0, 1 / ridge) of strengths."""
    wins = contests.win_matrix()
    parts = components(wins)
    n = contests.wins.sum(axis=1)
    met = np.zeros(contests.n_sources, np.int64)
    np.add.at(met, contests.first, n)
    np.add.at(met, contests.second, n)
    reason = None
    if not n.sum():
        reason = "no_contests"
    elif len(parts) > 1 and ridge == 0:
        reason = "not_connected"
    n_groups = len(np.unique(contests.groups[n > 0]))
    ratings, undefined = (
        (_without_strengths(met, reason), 0)
        if reason
        else _with_strengths(contests, wins, met, ridge, _Draws(n_groups, replicates, seed))
    )
    return Leaderboard(
        ratings=ratings,
        n=int(n.sum()),
        ties=int(contests.wins[:, 2].sum()),
        groups=n_groups,
        reason=reason,
        components=tuple(tuple(part) for part in parts),
        undefined_replicates=undefined,
    )


@dataclass(frozen=True)
class _Draws:
    groups: int
    replicates: int
    seed: int


def _without_strengths(met: Integers, reason: str | None) -> tuple[Rating, ...]:
    return tuple(
        Rating(
            strength=Statistic(value=None, n=int(n), reason=reason), standard_error=None, rank=None
        )
        for n in met
    )


def _with_strengths(
    contests: Contests, wins: Floats, met: Integers, ridge: float, draws: _Draws
) -> tuple[tuple[Rating, ...], int]:
    """The ratings, and how many replicates were undefined."""
    theta = strengths(wins[None], ridge=ridge)[0]
    ranks = _ranks(theta[None])[0]
    errors = np.sqrt(np.diag(clustered_covariance(contests, theta, ridge=ridge)))
    drawn = _replicated(contests, wins, theta, ridge, draws)
    undefined = draws.replicates - len(drawn) if draws.groups >= FEWEST_UNITS else 0
    few = "too_few_for_interval" if draws.groups < FEWEST_UNITS else "not_resampled"
    # Where half of the draws have no maximum, the others are no fair picture of the uncertainty.
    if len(drawn) == 0 or undefined > draws.replicates / 2:
        return tuple(
            Rating(
                strength=Statistic(value=float(value), n=int(n), reason=few),
                standard_error=None if np.isnan(error) else float(error),
                rank=int(rank),
            )
            for value, n, error, rank in zip(theta, met, errors, ranks, strict=True)
        ), undefined
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    rank_low, rank_high = np.percentile(_ranks(drawn), [2.5, 97.5], axis=0, method="inverted_cdf")
    return tuple(
        Rating(
            strength=Statistic(
                value=float(theta[i]), low=float(low[i]), high=float(high[i]), n=int(met[i])
            ),
            standard_error=float(errors[i]),
            rank=int(ranks[i]),
            rank_low=int(rank_low[i]),
            rank_high=int(rank_high[i]),
        )
        for i in range(len(theta))
    ), undefined


def _replicated(
    contests: Contests, wins: Floats, theta: Floats, ridge: float, draws: _Draws
) -> Floats:
    """(b, m) strengths of the replicates that have a maximum; none where groups are too few."""
    m, replicates = contests.n_sources, draws.replicates
    if draws.groups < FEWEST_UNITS:
        return np.zeros((0, m))
    rng = np.random.default_rng(draws.seed)
    units = _units(contests)
    found = []
    step = max(1, _CELLS_AT_ONCE // max(m * m, draws.groups))
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        weights = rng.multinomial(draws.groups, np.full(draws.groups, 1 / draws.groups), size=size)
        drawn: Floats = (weights.astype(np.float64) @ units).reshape(size, m, m)
        if ridge == 0:
            # Only a matrix that lacks some of the wins can fall apart.
            complete = ((drawn > 0) == (wins > 0)).all(axis=(1, 2))
            complete[~complete] = is_connected(drawn[~complete])
            drawn = drawn[complete]
        if len(drawn):
            found.append(strengths(drawn, start=theta, ridge=ridge))
    return np.concatenate(found) if found else np.zeros((0, m))


def _units(contests: Contests) -> sparse.csr_array:
    """(G, m m): the win matrix of each group."""
    m = contests.n_sources
    names, group = np.unique(contests.groups, return_inverse=True)
    of_first, of_second = contests.scores
    cells = (
        np.concatenate([group, group]),
        np.concatenate(
            [contests.first * m + contests.second, contests.second * m + contests.first]
        ),
    )
    values = np.concatenate([of_first, of_second])
    units = sparse.csr_array((values, cells), shape=(len(names), m * m))
    units.sum_duplicates()
    played = np.asarray(units.sum(axis=1)).ravel() > 0
    return units[played]


def _ranks(theta: Floats) -> Floats:
    """(B, m): 1 and how many are stronger. Equal strengths share the better rank."""
    stronger = theta[:, None, :] > theta[:, :, None] + 1e-9
    ranks: Floats = 1.0 + stronger.sum(axis=2)
    return ranks
