"""Sources of a project ranked by what annotators preferred, from its sums.

Intervals resample the 256 random groups of whole prompts that the sums know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.rules import davidson
from app.rules.bootstrap import Floats, Statistic
from app.rules.bradley_terry import (
    Contests,
    arena_scale,
    cyclic_triples,
    pair_fits,
)
from app.rules.davidson import Davidson
from app.rules.leaderboard import Leaderboard, Rating, leaderboard
from app.rules.project_statistics import ProjectStatistics, SourcePair
from app.services.annotator_models import NO_SOURCE, Fitted
from app.services.comparison_filters import ComparisonFilter

MOST_SOURCES = 30
"""The sources with most judgments; strengths of more would make the page slow."""
MOST_PAIRS = 100
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
    """Shares of the judgments that prefer `name`, ties as halves."""

    name: str
    other: str
    n: int
    observed: float
    predicted: float
    wanted: ComparisonFilter
    """The comparisons of the two."""


@dataclass(frozen=True, kw_only=True)
class Board:
    rows: list[SourceRow]
    """The strongest first; by name where strengths are undefined."""
    judgments: int
    """Between two different sources."""
    ties: int
    """Both bad among them."""
    reason: str | None
    """Why there are no strengths."""
    parts: list[list[str]]
    """Sources whose strengths could be compared with each other; one part where there are any."""
    davidson: Davidson | None
    """None where its maximum does not exist."""
    nu: Statistic | None
    """The weight of ties in it."""
    cycles: Statistic
    """Share of triples of sources that go round."""
    pairs: list[PairRow]
    """The largest difference between observed and predicted first."""
    pairs_left_out: int
    sources_left_out: int
    groups: int
    undefined_replicates: int


def for_project(statistics: ProjectStatistics, by_skill: Fitted[str] | None = None) -> Board:
    """by_skill: `annotator_models.strengths`."""
    pairs = statistics.wins()
    sources, left_out = _sources(pairs)
    contests = _contests(pairs, sources)
    found = leaderboard(contests)
    is_apart = found.reason == "not_connected"
    provisional = leaderboard(contests, ridge=RIDGE) if is_apart else None
    ties = davidson.fit(contests) if found.n else None
    wins = contests.win_matrix()
    names = [source or UNKNOWN_SOURCE for source in sources]
    fits = [] if found.reason else _fits(found, wins, sources)
    return Board(
        rows=_rows(found, provisional, sources, by_skill),
        judgments=found.n,
        ties=found.ties,
        reason=found.reason,
        parts=[[names[i] for i in part] for part in found.components],
        davidson=ties,
        nu=None if ties is None else davidson.nu_interval(contests, ties),
        cycles=cyclic_triples(wins),
        pairs=fits[:MOST_PAIRS],
        pairs_left_out=max(0, len(fits) - MOST_PAIRS),
        sources_left_out=left_out,
        groups=found.groups,
        undefined_replicates=found.undefined_replicates,
    )


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
    by_skill: Fitted[str] | None,
) -> list[SourceRow]:
    fitted = {} if by_skill is None else by_skill.of
    # Whatever is not fitted has imported judgments only, whose sides nobody knows.
    reason = "not_fitted" if by_skill is None else "no_shown_sides"
    missing = Statistic(value=None, n=0, reason=reason)
    rows = [
        SourceRow(
            name=source or UNKNOWN_SOURCE,
            source=source,
            rating=rating,
            by_skill=fitted.get(source or NO_SOURCE, missing),
            provisional=None if provisional is None else provisional.ratings[i].strength,
        )
        for i, (source, rating) in enumerate(zip(sources, found.ratings, strict=True))
    ]
    return sorted(rows, key=lambda row: (row.rating.rank or 0, row.name))


def _fits(found: Leaderboard, wins: Floats, sources: Sequence[str | None]) -> list[PairRow]:
    theta = np.array([rating.strength.value for rating in found.ratings], np.float64)
    rows = []
    for fit in pair_fits(wins, theta):
        one, other = sources[fit.first] or "", sources[fit.second] or ""
        rows.append(
            PairRow(
                name=one or UNKNOWN_SOURCE,
                other=other or UNKNOWN_SOURCE,
                n=fit.n,
                observed=fit.observed,
                predicted=fit.predicted,
                wanted=ComparisonFilter(show="judged", sources=(one, other)),
            )
        )
    return rows
