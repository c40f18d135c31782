"""When the models of a large project are fitted anew: by one process at a time, off the pages' way
(`app/web/renewing.py`).

A page that shows fits of a tenth fewer judgments than there are has them renewed once it is sent.
Whoever fits says so in a row of `model_fits` that names no figure; who finds it leaves the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.models.projects import Project
from app.models.statistics import ModelFit
from app.rules.project_statistics import ProjectStatistics
from app.services import annotator_models, projects
from app.services.annotator_models import DAWID_SKENE_SKILL, Fits
from app.upserts import insert_into

RENEWED_AFTER = 1.1
"""Times the judgments of the last fit."""
CLAIM = "being_fitted"
CLAIMED_FOR = timedelta(hours=1)
"""After which whoever fits has died or failed, and somebody else may try."""


@dataclass(frozen=True, kw_only=True)
class Renewal:
    since: datetime | None
    """When somebody began to fit; None where nobody does."""
    is_due: bool


def of(
    session: Session,
    project: Project,
    fits: Fits,
    statistics: ProjectStatistics,
    *,
    now: datetime,
) -> Renewal:
    """fits: those that a page shows. Never due in a small project, which is fitted every time."""
    since = session.scalar(
        select(ModelFit.fitted_at).where(
            ModelFit.project_id == project.id,
            ModelFit.model == CLAIM,
            ModelFit.fitted_at > now - CLAIMED_FOR,
        )
    )
    return Renewal(since=since, is_due=since is None and _are_outdated(fits, statistics))


def _are_outdated(fits: Fits, statistics: ProjectStatistics) -> bool:
    if statistics.judgments + statistics.waiting <= annotator_models.FITTED_UP_TO:
        return False
    # A figure of every page that shows fits, and the youngest of all: old fits may lack it.
    known = fits.get(DAWID_SKENE_SKILL)
    # What a fit is made of: neither gold nor repeats, nor comparisons of more than two.
    table = statistics.table()
    now = int(table.counts.sum(axis=1) @ table.items)
    return known is None or now > RENEWED_AFTER * known.judgments


def renew(database: Database, slug: str, *, now: datetime) -> bool:
    """Fit all models anew, unless somebody does; whether it was done.

    What fails keeps its claim for an hour, so that not every page tries again.
    """
    with database.writing() as session:
        project_id = projects.by_slug(session, slug).id
        if not _claim(session, project_id, now):
            return False
    annotator_models.fit(database, slug, now=now)
    with database.writing() as session:
        session.execute(_of_claim(delete(ModelFit), project_id))
    return True


def _claim(session: Session, project_id: UUID, now: datetime) -> bool:
    values = {"project_id": project_id, "model": CLAIM, "fitted_at": now, "judgments": 0}
    insert = insert_into(session.connection().dialect.name, ModelFit)
    made = session.execute(
        insert.values(result={}, **values).on_conflict_do_nothing().returning(ModelFit.model)
    )
    if made.first() is not None:
        return True
    is_over = ModelFit.fitted_at <= now - CLAIMED_FOR
    taken = session.execute(
        _of_claim(update(ModelFit), project_id)
        .where(is_over)
        .values(fitted_at=now)
        .returning(ModelFit.model)
    )
    return taken.first() is not None


def _of_claim(statement: Any, project_id: UUID) -> Any:
    return statement.where(ModelFit.project_id == project_id, ModelFit.model == CLAIM)
