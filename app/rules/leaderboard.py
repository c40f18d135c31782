"""Sources ranked by Bradley-Terry strength, with intervals of strength, rank and fit.

Intervals resample groups of contests (prompts, or random groups of prompts): a prompt that is easy
for one source is so in all its contests. Every replicate is fitted anew, started from the estimate,
and all intervals are of the same replicates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from app.rules.bootstrap import FEWEST_UNITS, SEED, Floats, Integers, Statistic
from app.rules.bradley_terry import (
    Contests,
    PairFit,
    clustered_covariance,
    components,
    is_connected,
    pair_fits,
    strengths,
)

REPLICATES = 2000
MOST_PAIRS = 100
"""Of which the fit is told: the worst ones."""
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
class Misfit:
    """How often `first` wins over `second`, ties as halves; n counts their contests."""

    first: int
    second: int
    observed: Statistic
    """Without an interval where one always wins, and of few groups; so is the difference."""
    predicted: Statistic
    """By the strengths."""
    difference: Statistic
    """Observed less predicted."""


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
    misfits: tuple[Misfit, ...]
    """The largest difference in standard errors first; none where there are no strengths."""
    misfits_left_out: int


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
    found = (
        _Fit(ratings=_without_strengths(met, reason))
        if reason
        else _with_strengths(contests, wins, met, ridge, _Draws(n_groups, replicates, seed))
    )
    return Leaderboard(
        ratings=found.ratings,
        n=int(n.sum()),
        ties=int(contests.wins[:, 2].sum()),
        groups=n_groups,
        reason=reason,
        components=tuple(tuple(part) for part in parts),
        undefined_replicates=found.undefined,
        misfits=found.misfits,
        misfits_left_out=found.misfits_left_out,
    )


@dataclass(frozen=True)
class _Draws:
    groups: int
    replicates: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class _Fit:
    ratings: tuple[Rating, ...]
    undefined: int = 0
    misfits: tuple[Misfit, ...] = ()
    misfits_left_out: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Replicates:
    """B of those that have a maximum; none where groups are too few."""

    strengths: Floats
    """(B, m)."""
    observed: Floats
    """(B, P): how often the first of each pair wins; NaN where the two did not meet."""


def _without_strengths(met: Integers, reason: str | None) -> tuple[Rating, ...]:
    return tuple(
        Rating(
            strength=Statistic(value=None, n=int(n), reason=reason), standard_error=None, rank=None
        )
        for n in met
    )


def _with_strengths(
    contests: Contests, wins: Floats, met: Integers, ridge: float, draws: _Draws
) -> _Fit:
    theta = strengths(wins[None], ridge=ridge)[0]
    ranks = _ranks(theta[None])[0]
    errors = np.sqrt(np.diag(clustered_covariance(contests, theta, ridge=ridge)))
    fits = pair_fits(wins, theta)
    worst = fits[:MOST_PAIRS]
    drawn = _replicated(contests, wins, theta, worst, ridge, draws)
    few = draws.groups < FEWEST_UNITS
    undefined = 0 if few else draws.replicates - len(drawn.strengths)
    reason = None
    # Where half of the draws have no maximum, the others are no fair picture of the uncertainty.
    if few or len(drawn.strengths) == 0 or undefined > draws.replicates / 2:
        reason = "too_few_for_interval" if few else "not_resampled"
        ratings = tuple(
            Rating(
                strength=Statistic(value=float(value), n=int(n), reason=reason),
                standard_error=None if np.isnan(error) else float(error),
                rank=int(rank),
            )
            for value, n, error, rank in zip(theta, met, errors, ranks, strict=True)
        )
    else:
        ratings = _rated(theta, ranks, errors, met, drawn.strengths)
    return _Fit(
        ratings=ratings,
        undefined=undefined,
        misfits=tuple(_misfits(contests, worst, drawn, reason)),
        misfits_left_out=len(fits) - len(worst),
    )


def _rated(
    theta: Floats, ranks: Floats, errors: Floats, met: Integers, drawn: Floats
) -> tuple[Rating, ...]:
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
    )


def _misfits(
    contests: Contests, fits: Sequence[PairFit], drawn: _Replicates, reason: str | None
) -> Iterator[Misfit]:
    """reason: why there are no intervals at all."""
    groups = _groups_of_pairs(contests)
    for place, fit in enumerate(fits):
        # No resample of what always came out the same way, or of a few groups, tells how certain
        # it is.
        why = reason or ("one_outcome" if fit.observed in (0.0, 1.0) else None)
        if why is None and groups[fit.first, fit.second] < FEWEST_UNITS:
            why = "too_few_for_interval"
        predicted = expit(drawn.strengths[:, fit.first] - drawn.strengths[:, fit.second])
        observed = drawn.observed[:, place]
        difference = fit.observed - fit.predicted
        yield Misfit(
            first=fit.first,
            second=fit.second,
            observed=_with_percentiles(fit.observed, observed, fit.n, why),
            predicted=_with_percentiles(fit.predicted, predicted, fit.n, reason),
            difference=_with_percentiles(difference, observed - predicted, fit.n, why),
        )


def _groups_of_pairs(contests: Contests) -> Integers:
    """(m, m): in how many groups two sources met, whichever comes first."""
    met = contests.wins.any(axis=1)
    pair = np.sort(np.column_stack([contests.first, contests.second])[met], axis=1)
    rows = np.unique(np.column_stack([pair, contests.groups[met]]), axis=0)
    groups = np.zeros((contests.n_sources, contests.n_sources), np.int64)
    np.add.at(groups, (rows[:, 0], rows[:, 1]), 1)
    return groups


def _with_percentiles(value: float, drawn: Floats, n: int, reason: str | None) -> Statistic:
    if reason is not None:
        return Statistic(value=value, n=n, reason=reason)
    low, high = np.percentile(drawn[~np.isnan(drawn)], [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)


def _replicated(
    contests: Contests,
    wins: Floats,
    theta: Floats,
    pairs: Sequence[PairFit],
    ridge: float,
    draws: _Draws,
) -> _Replicates:
    m, replicates = contests.n_sources, draws.replicates
    found: list[Floats] = [np.zeros((0, m))]
    observed: list[Floats] = [np.zeros((0, len(pairs)))]
    first, second = (
        np.array([pair.first for pair in pairs], np.int64),
        np.array([pair.second for pair in pairs], np.int64),
    )
    rng = np.random.default_rng(draws.seed)
    units = _units(contests)
    step = max(1, _CELLS_AT_ONCE // max(m * m, draws.groups))
    for start in range(0, replicates if draws.groups >= FEWEST_UNITS else 0, step):
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
            won, lost = drawn[:, first, second], drawn[:, second, first]
            n = won + lost
            observed.append(np.divide(won, n, out=np.full_like(n, np.nan), where=n > 0))
    return _Replicates(strengths=np.concatenate(found), observed=np.concatenate(observed))


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
