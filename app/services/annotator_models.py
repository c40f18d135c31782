"""What models of a project's judgments say of each annotator.

One-coin and Dawid-Skene tell how often somebody is right, and how much of that is skill and not
chance; crowd-Bradley-Terry how much of the difference between two sources somebody sees, and how
far they lean to the left. The latter needs judgments of two different sources whose sides are
known.

Models need every judgment, so a project of up to FITTED_UP_TO is fitted while its page is made.
A larger one keeps its last fits (`model_fits`), which say when they were made. They are renewed in
the background (`model_renewal`): that takes some minutes for three million judgments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.projects import Project
from app.models.statistics import ModelFit
from app.rules import crowd_bradley_terry, dawid_skene, one_coin
from app.rules.bootstrap import Integers, Statistic
from app.rules.judged_batch import UNKNOWN
from app.rules.latent_truth import Estimates, LatentTruth
from app.services import counted_judgments, projects
from app.services.counted_judgments import Contests, CountedJudgments
from app.upserts import upsert

FITTED_UP_TO = 20_000
"""Judgments that are read in a request."""
ONE_COIN, DAWID_SKENE = "one_coin", "dawid_skene"
"""Accuracies."""
ONE_COIN_SKILL, DAWID_SKENE_SKILL = "one_coin_skill", "dawid_skene_skill"
"""These corrected for chance."""
SKILL, SIDE = "crowd_bradley_terry_skill", "crowd_bradley_terry_side"
FIGURES = (ONE_COIN, ONE_COIN_SKILL, DAWID_SKENE, DAWID_SKENE_SKILL, SKILL, SIDE)
STRENGTH = "crowd_bradley_terry_strength"
"""Of sources."""
NO_SOURCE = ""
"""Stands for what has no source."""


Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Fitted(Generic[Key]):
    """One figure, of annotators by their ids or of sources by their names."""

    of: dict[Key, Statistic]
    """n counts judgments in the fit: those of an annotator, or of a source."""
    judgments: int
    fitted_at: datetime | None
    """None for a fit of what is stored now."""


Fits = Mapping[str, Fitted[UUID]]
"""By FIGURES; one that is not there is not fitted yet."""
NO_FITS: Fits = {}


def told(fits: Fits, figure: str, annotator_id: UUID) -> Statistic:
    """One figure of one annotator, or why there is none."""
    if figure not in fits:
        return Statistic(value=None, n=0, reason="not_fitted")
    return fits[figure].of.get(annotator_id, Statistic(value=None, n=0, reason="no_data"))


def for_project(
    session: Session, project: Project, judgments: int, figures: Collection[str] = FIGURES
) -> Fits:
    """judgments: about how many there are."""
    if judgments <= FITTED_UP_TO:
        return _fit(session, project, figures)[0]
    return {row.model: _kept(row, UUID) for row in _rows(session, project, figures)}


def strengths(session: Session, project: Project, judgments: int) -> Fitted[str] | None:
    """Of sources, as the average judgment sees them; None where a large project is not fitted."""
    if judgments <= FITTED_UP_TO:
        return _fit(session, project, (SKILL,))[1]
    return next((_kept(row, str) for row in _rows(session, project, (STRENGTH,))), None)


def _rows(session: Session, project: Project, figures: Collection[str]) -> Sequence[ModelFit]:
    return session.scalars(
        select(ModelFit).where(ModelFit.project_id == project.id, ModelFit.model.in_(figures))
    ).all()


def _kept(row: ModelFit, key: Callable[[str], Key]) -> Fitted[Key]:
    return Fitted(
        of={key(name): Statistic(**found) for name, found in row.result.items()},
        judgments=row.judgments,
        fitted_at=row.fitted_at,
    )


def fit(database: Database, slug: str, *, now: datetime) -> Fits:
    """Fit all models anew and keep what they say."""
    with database.reading() as session:
        project = projects.by_slug(session, slug)
        found, of_sources = _fit(session, project, FIGURES)
    rows = [_row(project, figure, fitted, now) for figure, fitted in found.items()]
    rows.append(_row(project, STRENGTH, of_sources, now))
    with database.writing() as session:
        upsert(session, ModelFit, rows, replace=("fitted_at", "judgments", "result"))
    return found


def _row(project: Project, figure: str, fitted: Fitted[Key], now: datetime) -> dict[str, object]:
    return {
        "project_id": project.id,
        "model": figure,
        "fitted_at": now,
        "judgments": fitted.judgments,
        "result": {str(name): asdict(statistic) for name, statistic in fitted.of.items()},
    }


def _fit(session: Session, project: Project, figures: Collection[str]) -> tuple[Fits, Fitted[str]]:
    """Those of annotators, and the strengths of sources that come with SKILL and SIDE."""
    with_contests = SKILL in figures or SIDE in figures
    judged = counted_judgments.read(session, project, with_contests=with_contests)
    found: dict[str, Fitted[UUID]] = {}
    of_sources: Fitted[str] = Fitted(of={}, judgments=0, fitted_at=None)
    for accuracy, skill, model in (
        (ONE_COIN, ONE_COIN_SKILL, one_coin.fit),
        (DAWID_SKENE, DAWID_SKENE_SKILL, dawid_skene.fit),
    ):
        if accuracy in figures or skill in figures:
            found[accuracy], found[skill] = _accuracies_and_skills(judged, model)
    if judged.contests is not None:
        found[SKILL], found[SIDE], of_sources = _crowd(judged, judged.contests)
    return {figure: found[figure] for figure in figures}, of_sources


def _accuracies_and_skills(
    judged: CountedJudgments, model: Callable[..., LatentTruth]
) -> tuple[Fitted[UUID], Fitted[UUID]]:
    if not judged.people:
        nobody: Fitted[UUID] = Fitted(of={}, judgments=0, fitted_at=None)
        return nobody, nobody
    # A label that nobody gave is none that could have been given.
    given = sorted({0, 1, *np.unique(judged.labels).tolist()})
    found = model(
        judged.items,
        judged.annotators,
        np.searchsorted(given, judged.labels),
        n_items=int(judged.items.max()) + 1,
        n_annotators=len(judged.people),
        n_labels=len(given),
        exchangeable=(0, 1),
    )
    n = np.bincount(judged.annotators)
    accuracies = Estimates(value=found.accuracy, low=found.low, high=found.high)
    skills = found.skill
    undefined = np.where(np.isnan(skills.value), "one_category", "").tolist()
    return (
        _fitted(judged.people, accuracies, n, [""] * len(judged.people)),
        _fitted(judged.people, skills, n, undefined),
    )


def _crowd(
    judged: CountedJudgments, contests: Contests
) -> tuple[Fitted[UUID], Fitted[UUID], Fitted[str]]:
    """Skills, sides and strengths by crowd-Bradley-Terry; a tie, and both bad, is half a judgment
    for each side."""
    people = judged.people
    differ = contests.sources[:, 0] != contests.sources[:, 1]
    rows = np.flatnonzero(differ & (contests.side_a != UNKNOWN))
    annotators, labels, left = (
        values[rows] for values in (judged.annotators, judged.labels, contests.side_a)
    )
    n = np.bincount(annotators, minlength=len(people))
    met = np.bincount(judged.annotators[differ], minlength=len(people))
    # Whoever compared two sources, but on no known side, has imported judgments only.
    reasons = np.select([n > 0, met > 0], ["", "no_shown_sides"], "no_contests")
    nothing = np.full(len(people), np.nan)
    skills = sides = Estimates(value=nothing, low=nothing, high=nothing)
    of_sources: Fitted[str] = Fitted(of={}, judgments=0, fitted_at=None)
    if len(rows):
        found = crowd_bradley_terry.fit(
            annotators,
            contests.sources[rows, left],
            contests.sources[rows, 1 - left],
            np.where(labels > 1, 0.5, labels == left),
            n_sources=len(contests.names),
            n_annotators=len(people),
            prompts=contests.prompts[rows],
        )
        skills, sides = found.skills, found.sides
        met_by = np.bincount(contests.sources[rows].ravel(), minlength=len(contests.names))
        of_sources = replace(
            _fitted(
                [name or NO_SOURCE for name in contests.names],
                found.strengths,
                met_by,
                np.where(met_by > 0, "", "no_contests").tolist(),
            ),
            judgments=len(rows),
        )
    # The mean skill is 1 by convention, so that of one alone tells nothing.
    is_alone = np.count_nonzero(n) == 1
    of_skills = np.where(n > 0, "alone", reasons) if is_alone else reasons
    return (
        _fitted(people, skills, n, of_skills.tolist()),
        _fitted(people, sides, n, reasons.tolist()),
        of_sources,
    )


def _fitted(
    names: Sequence[Key], found: Estimates, n: Integers, reasons: Sequence[str]
) -> Fitted[Key]:
    """(R,) each. `reasons` say why somebody has no figure, "" where there is one."""
    columns = (found.value.tolist(), found.low.tolist(), found.high.tolist(), n.tolist(), reasons)
    return Fitted(
        of={
            who: Statistic(value=None, n=count, reason=reason)
            if reason
            else Statistic(value=value, low=low, high=high, n=count)
            for who, value, low, high, count, reason in zip(names, *columns, strict=True)
        },
        judgments=int(n.sum()),
        fitted_at=None,
    )
