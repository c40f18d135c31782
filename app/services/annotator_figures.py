"""What a project's sums tell about each annotator, beside the others; and what to look at.

A figure is flagged only where its test stands out among the tests of everybody, at a false
discovery rate of 10 % (Benjamini & Hochberg). A flag asks somebody to look and does nothing else.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.rules.annotator_diagnostics import (
    consistency,
    drift,
    length_bias,
    length_bias_beside,
    position_bias,
    preference,
)
from app.rules.annotator_sums import BINS_PER_LOG, LENGTH_BINS
from app.rules.bootstrap import FEWEST_UNITS, Integers, Statistic
from app.rules.gold_rule import GoldAccuracy, GoldDecision, gold_accuracy
from app.rules.logistic import Logistic
from app.rules.pace import click_through, median_of_bins
from app.rules.project_statistics import AnnotatorSums, Style
from app.rules.significance import Tested, discoveries
from app.rules.tallies import CREDIT

MOST_TESTED = 300
"""Annotators whose biases are estimated and tested, those with most judgments."""
TESTED = ("side", "length", "markdown", "too_fast", "drift")


@dataclass(frozen=True, kw_only=True)
class AnnotatorFigures:
    gold: GoldAccuracy
    repeats: Statistic
    """Same verdict on comparisons judged twice, whatever the sides."""
    side: Tested
    """Share of side A among decisive verdicts."""
    length: Tested
    """How much faster than for the others the log-odds of a choice grow with ln(length A / B)."""
    longer: Tested
    """Share in which the longer response was chosen."""
    markdown: Tested
    pace: Statistic
    """Median words shown per active second, over that of all."""
    seconds: Statistic
    """Median active time."""
    too_fast: Tested
    """Share of judgments faster than anybody reads, tested for being above 5 %."""
    drift: Tested
    """Change per week of the share of the others who gave the same verdict."""
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Figures:
    of: dict[UUID, AnnotatorFigures]
    left_out: int
    """Annotators beyond MOST_TESTED."""


NO_FIGURES = Figures(of={}, left_out=0)


def for_project(
    session: Session, project: Project, people: Mapping[UUID, AnnotatorSums]
) -> Figures:
    """people: `ProjectStatistics.annotators()`."""
    pool = _Pool(people)
    busiest = sorted(people, key=lambda who: (-people[who].totals.judged, who))[:MOST_TESTED]
    weeks = agreement_by_week(session, project)
    found = {who: _figures(people[who], pool, weeks.get(who, {})) for who in busiest}
    flags = _flags(found)
    return Figures(
        of={who: replace(figures, flags=flags[who]) for who, figures in found.items()},
        left_out=len(people) - len(busiest),
    )


def agreement_by_week(
    session: Session, project: Project, annotator_id: UUID | None = None
) -> dict[UUID, dict[date, tuple[float, int]]]:
    """By annotator and Monday: the sum of shares of the others who gave the same verdict, over so
    many judgments of comparisons that others judged too."""
    # Ids as the driver gives them: to make an object of each row's takes as long as all the rest.
    raw_id: ColumnElement[Any] = type_coerce(AnnotatorDay.annotator_id, NullType())
    query = select(raw_id, AnnotatorDay.day, AnnotatorDay.credit, AnnotatorDay.shared).where(
        AnnotatorDay.project_id == project.id, AnnotatorDay.shared > 0
    )
    if annotator_id is not None:
        query = query.where(AnnotatorDay.annotator_id == annotator_id)
    weeks: defaultdict[Any, dict[date, tuple[float, int]]] = defaultdict(dict)
    for who, day, credit, shared in session.execute(query):
        monday = date.fromordinal(day.toordinal() - day.weekday())
        earned, n = weeks[who].get(monday, (0.0, 0))
        weeks[who][monday] = (earned + credit / CREDIT, n + shared)
    return {who if isinstance(who, UUID) else UUID(who): found for who, found in weeks.items()}


class _Pool:
    """The sums of all annotators, to take one's own from."""

    def __init__(self, people: Mapping[UUID, AnnotatorSums]) -> None:
        everybody = list(people.values())
        self.lengths = np.zeros((2, len(LENGTH_BINS)), np.int64)
        for sums in everybody:
            self.lengths += _by_bin(sums.lengths)
        styles = [sums.style for sums in everybody]
        self.style = Style(*(sum(values) for values in zip(*styles, strict=True)))
        pace = _median(np.vstack([np.zeros((0, 2), np.int64), *(s.pace for s in everybody)]))
        self.pace = 0.0 if pace.value is None else pace.value


def _figures(
    sums: AnnotatorSums, pool: _Pool, weeks: Mapping[date, tuple[float, int]]
) -> AnnotatorFigures:
    own = _by_bin(sums.lengths)
    others = Style(*(a - b for a, b in zip(pool.style, sums.style, strict=True)))
    sides, repeats = list(sums.sides.values()), list(sums.repeats.values())
    mondays = sorted(weeks)
    return AnnotatorFigures(
        gold=gold_accuracy(sums.gold.right, sums.gold.gold),
        repeats=consistency(sum(r.same for r in repeats), sum(r.repeats for r in repeats)),
        side=position_bias(sum(s.side_a for s in sides), sum(s.decisive for s in sides)),
        length=length_bias_beside(_length(own), _length(pool.lengths - own)),
        longer=preference(
            sums.style.longer_chosen, sums.style.longer, others.longer_chosen, others.longer
        ),
        markdown=preference(
            sums.style.markdown_chosen, sums.style.markdown, others.markdown_chosen, others.markdown
        ),
        pace=_exp(_median(sums.pace), less=pool.pace),
        seconds=_exp(_median(sums.seconds)),
        too_fast=click_through((sums.pace[:, 0] / BINS_PER_LOG).tolist(), sums.pace[:, 1].tolist()),
        drift=drift(
            [monday.toordinal() / 7 for monday in mondays],
            [weeks[monday][0] for monday in mondays],
            [weeks[monday][1] for monday in mondays],
        ),
        flags=(),
    )


def _length(by_bin: Integers) -> Logistic:
    decisive, side_a = by_bin
    return length_bias(np.array(LENGTH_BINS) / BINS_PER_LOG, side_a, decisive)


def _by_bin(lengths: Integers) -> Integers:
    """(2, bins): decisive judgments, those for side A."""
    found = np.zeros((2, len(LENGTH_BINS)), np.int64)
    found[:, lengths[:, 0] - LENGTH_BINS.start] = lengths[:, 1:].T
    return found


def _median(histogram: Integers) -> Statistic:
    """Of a logarithm, from its bins; equal bins may come several times."""
    bins, where = np.unique(histogram[:, 0], return_inverse=True)
    n = np.zeros(len(bins), np.int64)
    np.add.at(n, where, histogram[:, 1])
    return median_of_bins((bins / BINS_PER_LOG).tolist(), n.tolist(), 1 / BINS_PER_LOG)


def _exp(logarithm: Statistic, *, less: float = 0.0) -> Statistic:
    value, low, high = (
        None if end is None else math.exp(end - less)
        for end in (logarithm.value, logarithm.low, logarithm.high)
    )
    return replace(logarithm, value=value, low=low, high=high)


def _flags(found: Mapping[UUID, AnnotatorFigures]) -> dict[UUID, tuple[str, ...]]:
    """In words. Known answers are one test among all tests of all annotators, too, and besides have
    to be decided by their sequential rule."""
    tests = [(who, name, getattr(found[who], name)) for who in found for name in TESTED]
    p_values = [test.p for _, _, test in tests] + [figures.gold.p for figures in found.values()]
    stands_out = discoveries(p_values)
    flags: dict[UUID, list[str]] = {who: [] for who in found}
    for (who, figures), is_flagged in zip(found.items(), stands_out[len(tests) :], strict=True):
        if is_flagged and figures.gold.decision is GoldDecision.TOO_LOW:
            flags[who].append("known answers")
    for (who, name, test), is_flagged in zip(tests, stands_out, strict=False):
        # A count of fast judgments is tested exactly, however few there are.
        if is_flagged and (name == "too_fast" or test.statistic.n >= FEWEST_UNITS):
            flags[who].append(_in_words(name, test.statistic.value))
    return {who: tuple(texts) for who, texts in flags.items()}


def _in_words(name: str, value: float | None) -> str:
    assert value is not None, "an undefined test is never flagged"
    match name:
        case "side":
            return "favours left" if value > 0.5 else "favours right"
        case "length":
            return "favours length" if value > 0 else "favours brevity"
        case "markdown":
            return "markdown"
        case "too_fast":
            return "too fast"
        case "drift":
            return "agrees more and more" if value > 0 else "agrees less and less"
    raise ValueError(f"{name} is no tested figure")
