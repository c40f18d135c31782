"""Sources of a project ranked by what annotators preferred, from its sums.

Intervals resample the 256 random groups of whole prompts that the sums know. Strengths by skill and
at equal length are of models that need every judgment (`source_models`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from app.rules import davidson
from app.rules.bootstrap import Floats, Statistic, Summed, bootstrap
from app.rules.bradley_terry import Contests, arena_scale, cycles, cyclic_triples
from app.rules.leaderboard import Leaderboard, Rating, leaderboard
from app.rules.project_statistics import ProjectStatistics, SourcePair
from app.services.comparison_filters import ComparisonFilter
from app.services.kept_fits import NO_SOURCE, NO_SOURCE_FITS, SourceFits
from app.services.source_models import (
    AT_EQUAL_LENGTH,
    LENGTH,
    MOST_SOURCES,
    SIDE,
    STRENGTH,
    STYLE_EFFECT,
)

MOST_CYCLES = 10
"""That are named."""
RIDGE = 1.0
"""Of the provisional strengths where the maximum likelihood does not exist."""
UNKNOWN_SOURCE = "unknown"


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    name: str
    source: str | None
    """None where it is unknown."""
    rating: Rating
    by_skill: Statistic
    """The strength by crowd-Bradley-Terry, which weighs annotators and takes their sides off."""
    at_equal_length: Statistic
    """The strength by style control, which takes off what length and side do."""
    provisional: Statistic | None
    """The strength under a prior, N(0, 1 / RIDGE), where sources fall apart; None elsewhere."""

    @property
    def arena(self) -> Statistic:
        """The strength on the scale of Chatbot Arena."""
        found = self.rating.strength
        value, low, high = (
            None if end is None else arena_scale(end)
            for end in (found.value, found.low, found.high)
        )
        return replace(found, value=value, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """Shares of the judgments that prefer `name`, ties as halves; n counts those of the two."""

    name: str
    other: str
    observed: Statistic
    predicted: Statistic
    difference: Statistic
    wanted: ComparisonFilter
    """The comparisons of the two."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of the three of a triple that goes round: `name` is preferred to `other`."""

    name: str
    other: str
    share: float
    n: int
    wanted: ComparisonFilter
    """The comparisons of the two."""


@dataclass(frozen=True, kw_only=True)
class Board:
    rows: list[SourceRow]
    """The strongest first; by name where strengths are undefined."""
    judgments: int
    """Between two different sources."""
    ties: Statistic
    """Their share, both bad among them."""
    reason: str | None
    """Why there are no strengths."""
    parts: list[list[str]]
    """Sources whose strengths could be compared with each other; one part where there are any."""
    nu: Statistic | None
    """The weight of ties in Davidson's model; None where its maximum does not exist."""
    cycles: Statistic
    """Share of triples of sources that go round."""
    rounds: list[list[Step]]
    """Some of these triples, the clearest first."""
    pairs: list[PairRow]
    """The largest difference in standard errors first."""
    pairs_left_out: int
    sources_left_out: int
    groups: int
    undefined_replicates: int
    length: Statistic
    """Log odds for each unit of ln(length ratio)."""
    side: Statistic
    """Log odds of left between equals."""

    @property
    def tie_rate(self) -> Statistic | None:
        """Of two sources of equal strength, by Davidson's model."""
        if self.nu is None:
            return None
        value, low, high = (
            None if end is None else end / (2 + end)
            for end in (self.nu.value, self.nu.low, self.nu.high)
        )
        return replace(self.nu, value=value, low=low, high=high)

    @property
    def twice_as_long(self) -> Statistic:
        """How often a response twice as long is preferred among equals, on no favoured side."""
        return _share(self.length, math.log(2))

    @property
    def on_the_left(self) -> Statistic:
        """How often the left one of two equals of equal length is preferred."""
        return _share(self.side, 1.0)

    @property
    def by_equal_length(self) -> list[SourceRow]:
        """The strongest at equal length first; none where those strengths are undefined."""
        known = [row for row in self.rows if row.at_equal_length.value is not None]
        return sorted(known, key=lambda row: (-(row.at_equal_length.value or 0), row.name))


def for_project(statistics: ProjectStatistics, fits: SourceFits = NO_SOURCE_FITS) -> Board:
    """fits: `annotator_models.of_sources`."""
    pairs = statistics.wins()
    sources, left_out = _sources(pairs)
    contests = _contests(pairs, sources)
    found = leaderboard(contests)
    is_apart = found.reason == "not_connected"
    provisional = leaderboard(contests, ridge=RIDGE) if is_apart else None
    ties = davidson.fit(contests) if found.n else None
    wins = contests.win_matrix()
    names = [source or UNKNOWN_SOURCE for source in sources]
    return Board(
        rows=_rows(found, provisional, sources, fits),
        judgments=found.n,
        ties=_tied(contests),
        reason=found.reason,
        parts=[[names[i] for i in part] for part in found.components],
        nu=None if ties is None else davidson.nu_interval(contests, ties),
        cycles=cyclic_triples(wins),
        rounds=_rounds(wins, sources),
        pairs=_pairs(found, sources),
        pairs_left_out=found.misfits_left_out,
        sources_left_out=left_out,
        groups=found.groups,
        undefined_replicates=found.undefined_replicates,
        length=_told(fits, STYLE_EFFECT, LENGTH),
        side=_told(fits, STYLE_EFFECT, SIDE),
    )


def _tied(contests: Contests) -> Statistic:
    judged = contests.wins.sum(axis=1)
    rows = np.column_stack([contests.wins[:, 2], judged]).astype(np.float64)
    share = Summed(
        rows=rows,
        counts=judged > 0,
        statistic=lambda sums: np.divide(
            sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
        ),
        undefined="no_contests",
    )
    (found,) = bootstrap([share], contests.groups, np.ones(len(rows), np.int64))
    if found.value in (0.0, 1.0):
        # Resamples of what always came out the same way do not differ.
        found = replace(found, low=None, high=None, reason="one_outcome")
    return replace(found, n=int(judged.sum()))


def _share(effect: Statistic, times: float) -> Statistic:
    """The share in which one is preferred whose log odds are so many times the effect."""
    value, low, high = (
        None if end is None else float(expit(times * end))
        for end in (effect.value, effect.low, effect.high)
    )
    return replace(effect, value=value, low=low, high=high)


def _told(fits: SourceFits, figure: str, name: str) -> Statistic:
    if figure not in fits:
        return Statistic(value=None, n=0, reason="not_fitted")
    # Crowd-Bradley-Terry knows only who has judgments on a known side, and what is kept only who
    # had judgments when it was fitted.
    missing = "no_shown_sides" if figure == STRENGTH else "not_fitted"
    return fits[figure].of.get(name, Statistic(value=None, n=0, reason=missing))


def _sources(pairs: Sequence[SourcePair]) -> tuple[list[str | None], int]:
    """Those shown, by name, and how many are not."""
    judged: dict[str | None, int] = {}
    for pair in pairs:
        n = int(pair.wins.sum())
        for name in (pair.source, pair.other) if n else ():
            judged[name] = judged.get(name, 0) + n
    busiest = sorted(judged, key=lambda name: (-judged[name], name or ""))
    shown = sorted(busiest[:MOST_SOURCES], key=lambda name: name or "")
    return shown, len(busiest) - len(shown)


def _contests(pairs: Sequence[SourcePair], sources: Sequence[str | None]) -> Contests:
    """One row for each pair of these and each part of the prompts; both bad is a tie."""
    number = {name: i for i, name in enumerate(sources)}
    rows = [
        (number[pair.source], number[pair.other], part, wins[0], wins[1], wins[2] + wins[3])
        for pair in pairs
        if pair.source in number and pair.other in number
        for part, wins in enumerate(pair.wins.tolist())
        if any(wins)
    ]
    table = np.array(rows, np.int64).reshape(-1, 6)
    return Contests(
        first=table[:, 0],
        second=table[:, 1],
        groups=table[:, 2],
        wins=table[:, 3:],
        n_sources=len(sources),
    )


def _rows(
    found: Leaderboard,
    provisional: Leaderboard | None,
    sources: Sequence[str | None],
    fits: SourceFits,
) -> list[SourceRow]:
    rows = [
        SourceRow(
            name=source or UNKNOWN_SOURCE,
            source=source,
            rating=rating,
            by_skill=_told(fits, STRENGTH, source or NO_SOURCE),
            at_equal_length=_told(fits, AT_EQUAL_LENGTH, source or NO_SOURCE),
            provisional=None if provisional is None else provisional.ratings[i].strength,
        )
        for i, (source, rating) in enumerate(zip(sources, found.ratings, strict=True))
    ]
    return sorted(rows, key=lambda row: (row.rating.rank or 0, row.name))


def _pairs(found: Leaderboard, sources: Sequence[str | None]) -> list[PairRow]:
    return [
        PairRow(
            name=sources[fit.first] or UNKNOWN_SOURCE,
            other=sources[fit.second] or UNKNOWN_SOURCE,
            observed=fit.observed,
            predicted=fit.predicted,
            difference=fit.difference,
            wanted=_of_the_two(sources[fit.first], sources[fit.second]),
        )
        for fit in found.misfits
    ]


def _rounds(wins: Floats, sources: Sequence[str | None]) -> list[list[Step]]:
    rounds = []
    for cycle in cycles(wins, MOST_CYCLES):
        following = (*cycle.sources[1:], cycle.sources[0])
        rounds.append(
            [
                Step(
                    name=sources[i] or UNKNOWN_SOURCE,
                    other=sources[j] or UNKNOWN_SOURCE,
                    share=share,
                    n=round(wins[i, j] + wins[j, i]),
                    wanted=_of_the_two(sources[i], sources[j]),
                )
                for i, j, share in zip(cycle.sources, following, cycle.shares, strict=True)
            ]
        )
    return rounds


def _of_the_two(one: str | None, other: str | None) -> ComparisonFilter:
    return ComparisonFilter(show="judged", sources=(one or "", other or ""))
