"""What an annotator's page tells beside the line in the list: models, habits, weeks, times."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from app.models.projects import Project
from app.rules.annotator_diagnostics import position_bias
from app.rules.annotator_sums import BINS_PER_LOG, TIME_LIMITS, time_bins
from app.rules.bootstrap import Integers, Statistic
from app.rules.project_statistics import AnnotatorPair, AnnotatorSums, Week
from app.rules.proportions import wilson
from app.services import annotator_habits, annotator_models
from app.services.annotator_figures import agreement_by_week
from app.services.annotator_habits import Habits
from app.services.kept_fits import Fits

NO_WEEK = Week(0, 0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class AnnotatorWeek:
    monday: date
    judged: int
    agreement: Statistic
    """With the others."""
    gold: Statistic
    words_per_second: float | None
    """Geometric mean over the judgments whose time is known."""


@dataclass(frozen=True, kw_only=True)
class AnnotatorDetail:
    sums: AnnotatorSums
    models: dict[str, Statistic]
    """What models say, by `annotator_models.FIGURES`."""
    sides: dict[str, Statistic]
    """By layout, the share of side A among decisive verdicts."""
    weeks: list[AnnotatorWeek]
    times: list[tuple[str, int]]
    """Judgments by active seconds, in words."""
    habits: Habits


def detail(
    session: Session,
    project: Project,
    annotator_id: UUID,
    people: Mapping[UUID, AnnotatorSums],
    pairs: Sequence[AnnotatorPair],
    fits: Fits,
    *,
    skips: int,
) -> AnnotatorDetail:
    """people, pairs: those of `ProjectStatistics`; who is not in it has all sums empty."""
    sums = people.get(annotator_id) or AnnotatorSums()
    agreed = agreement_by_week(session, project, annotator_id).get(annotator_id, {})
    return AnnotatorDetail(
        sums=sums,
        models={
            figure: annotator_models.told(fits, figure, annotator_id)
            for figure in annotator_models.FIGURES
        },
        sides={
            layout: position_bias(side.side_a, side.decisive).statistic
            for layout, side in sorted(sums.sides.items())
        },
        weeks=[
            _week(monday, sums.weeks.get(monday, NO_WEEK), agreed.get(monday, (0.0, 0)))
            for monday in sorted(sums.weeks.keys() | agreed.keys())
        ],
        times=time_bars(sums.seconds),
        habits=annotator_habits.of(session, project, annotator_id, sums, pairs, skips=skips),
    )


def _week(monday: date, week: Week, agreed: tuple[float, int]) -> AnnotatorWeek:
    credit, shared = agreed
    return AnnotatorWeek(
        monday=monday,
        judged=week.judged,
        agreement=wilson(credit, shared, undefined="no_overlap"),
        gold=wilson(week.gold_right, week.gold, undefined="no_gold"),
        words_per_second=math.exp(week.pace / week.paced / BINS_PER_LOG) if week.paced else None,
    )


def time_bars(seconds: Integers) -> list[tuple[str, int]]:
    """Judgments between TIME_LIMITS, from bins of ln(active seconds), a bin by its middle."""
    if not len(seconds):
        return []
    bars = time_bins(seconds[:, 0])
    n = np.bincount(bars, weights=seconds[:, 1], minlength=len(TIME_LIMITS) + 1)
    names = [_seconds(limit) for limit in TIME_LIMITS]
    labels = [
        f"< {names[0]}",
        *map("–".join, itertools.pairwise(names)),
        f"> {names[-1]}",
    ]
    return [(label, int(count)) for label, count in zip(labels, n, strict=True)]


def _seconds(limit: int) -> str:
    return f"{limit // 60} min" if limit >= 60 else f"{limit} s"
