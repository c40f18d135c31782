"""What models of a project's judgments say of each annotator.

One-coin and Dawid-Skene tell how often somebody is right, and how much of that is skill and not
chance; crowd-Bradley-Terry how much of the difference between two sources somebody sees, and how
far they lean to the left. The latter needs judgments of two different sources whose sides are
known.

Models need every judgment, so a project of up to FITTED_UP_TO is fitted while its page is made,
once for the same judgments (`fit_memory`). A larger one keeps its last fits (`model_fits`), which
say when they were made. They are renewed in the background (`model_renewal`): that takes some
minutes for three million judgments. What is said of sources (`source_models`) comes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from app.db import Database
from app.models.projects import Project
from app.models.statistics import ModelFit
from app.rules import dawid_skene, one_coin
from app.rules.bootstrap import Statistic
from app.rules.judged_batch import UNKNOWN
from app.rules.latent_truth import Estimates, LatentTruth
from app.services import counted_judgments, kept_fits, projects, source_models
from app.services.counted_judgments import Contests, CountedJudgments
from app.services.fit_memory import Recall, make_anew
from app.services.kept_fits import Fits, Fitted, SourceFits, fitted
from app.services.source_models import AT_EQUAL_LENGTH, OF_SOURCES, STRENGTH, STYLE_EFFECT
from app.upserts import upsert

FITTED_UP_TO = 20_000
"""Judgments that are read in a request."""
ONE_COIN, DAWID_SKENE = "one_coin", "dawid_skene"
"""Accuracies."""
ONE_COIN_SKILL, DAWID_SKENE_SKILL = "one_coin_skill", "dawid_skene_skill"
"""These corrected for chance."""
SKILL, SIDE = "crowd_bradley_terry_skill", "crowd_bradley_terry_side"
FIGURES = (ONE_COIN, ONE_COIN_SKILL, DAWID_SKENE, DAWID_SKENE_SKILL, SKILL, SIDE)


def told(fits: Fits, figure: str, annotator_id: UUID) -> Statistic:
    """One figure of one annotator, or why there is none."""
    if figure not in fits:
        return Statistic(value=None, n=0, reason="not_fitted")
    return fits[figure].of.get(annotator_id, Statistic(value=None, n=0, reason="no_data"))


def for_project(
    session: Session,
    project: Project,
    judgments: int,
    figures: tuple[str, ...] = FIGURES,
    *,
    recall: Recall = make_anew,
) -> Fits:
    """judgments: about how many there are; recall: what is known of a small project's."""
    if judgments <= FITTED_UP_TO:
        return recall(figures, partial(_fit, session, project, figures))[0]
    return kept_fits.read(session, project, figures, UUID)


def of_sources(
    session: Session, project: Project, judgments: int, *, recall: Recall = make_anew
) -> SourceFits:
    """By `source_models.OF_SOURCES`; of a large project those that are kept."""
    if judgments <= FITTED_UP_TO:
        return recall(OF_SOURCES, partial(_fit, session, project, OF_SOURCES))[1]
    return kept_fits.read(session, project, OF_SOURCES, str)


def fit(database: Database, slug: str, *, now: datetime) -> Fits:
    """Fit all models anew and keep what they say."""
    with database.reading() as session:
        project = projects.by_slug(session, slug)
        found, sources = _fit(session, project, (*FIGURES, *OF_SOURCES))
    rows = [kept_fits.row(project, figure, said, now) for figure, said in found.items()]
    rows += [kept_fits.row(project, figure, said, now) for figure, said in sources.items()]
    with database.writing() as session:
        upsert(session, ModelFit, rows, replace=("fitted_at", "judgments", "result"))
    return found


def _fit(session: Session, project: Project, figures: Collection[str]) -> tuple[Fits, SourceFits]:
    """Of annotators and of sources, those that are asked for."""
    with_contests = not {SKILL, SIDE, *OF_SOURCES}.isdisjoint(figures)
    judged = counted_judgments.read(session, project, with_contests=with_contests)
    found: dict[str, Fitted[UUID]] = {}
    sources: dict[str, Fitted[str]] = {}
    for accuracy, skill, model in (
        (ONE_COIN, ONE_COIN_SKILL, one_coin.fit),
        (DAWID_SKENE, DAWID_SKENE_SKILL, dawid_skene.fit),
    ):
        if accuracy in figures or skill in figures:
            found[accuracy], found[skill] = _accuracies_and_skills(judged, model)
    if judged.contests is not None:
        found[SKILL], found[SIDE], sources[STRENGTH] = _crowd(judged, judged.contests)
    if judged.contests is not None and not {AT_EQUAL_LENGTH, STYLE_EFFECT}.isdisjoint(figures):
        sources.update(source_models.style(judged, judged.contests))
    return (
        {figure: found[figure] for figure in FIGURES if figure in figures},
        {figure: sources[figure] for figure in OF_SOURCES if figure in figures},
    )


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
        fitted(judged.people, accuracies, n, [""] * len(judged.people)),
        fitted(judged.people, skills, n, undefined),
    )


def _crowd(
    judged: CountedJudgments, contests: Contests
) -> tuple[Fitted[UUID], Fitted[UUID], Fitted[str]]:
    """Skills, sides, and strengths of sources."""
    people = judged.people
    differ = contests.sources[:, 0] != contests.sources[:, 1]
    rows = np.flatnonzero(differ & (contests.side_a != UNKNOWN))
    n = np.bincount(judged.annotators[rows], minlength=len(people))
    met = np.bincount(judged.annotators[differ], minlength=len(people))
    # Whoever compared two sources, but on no known side, has imported judgments only.
    reasons = np.select([n > 0, met > 0], ["", "no_shown_sides"], "no_contests")
    nothing = np.full(len(people), np.nan)
    skills = sides = Estimates(value=nothing, low=nothing, high=nothing)
    strengths: Fitted[str] = Fitted(of={}, judgments=0, fitted_at=None)
    if len(rows):
        found = source_models.crowd(judged, contests, rows)
        skills, sides = found.skills, found.sides
        strengths = source_models.strengths_of(found, contests, rows)
    # The mean skill is 1 by convention, so that of one alone tells nothing.
    is_alone = np.count_nonzero(n) == 1
    of_skills = np.where(n > 0, "alone", reasons) if is_alone else reasons
    return (
        fitted(people, skills, n, of_skills.tolist()),
        fitted(people, sides, n, reasons.tolist()),
        strengths,
    )
