"""When the models of a large project are fitted anew: by one process at a time, off the pages' way
(`app/behind.py`).

A page that shows fits of a tenth fewer judgments than there are has them renewed once it is sent.
Whoever fits says so in a row of `model_fits` that names no figure; who finds it leaves the work.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from app.services.annotator_models import DAWID_SKENE_SKILL
from app.services.source_models import STYLE_EFFECT
from app.upserts import insert_into

RENEWED_AFTER = 1.1
"""Times the judgments of the last fit."""
YARDSTICKS = (DAWID_SKENE_SKILL, STYLE_EFFECT)
"""What is made of every judgment, and the youngest figure, which old fits lack."""
CLAIM = "being_fitted"
CLAIMED_FOR = timedelta(hours=1)
"""After which whoever fits has died or failed, and somebody else may try."""


@dataclass(frozen=True, kw_only=True)
class Renewal:
    since: datetime | None
    """When somebody began to fit; None where nobody does."""
    is_due: bool


def of(
    session: Session, project: Project, statistics: ProjectStatistics, *, now: datetime
) -> Renewal:
    """Never due in a small project, which is fitted when its pages are made."""
    kept = {
        model: (judgments, fitted_at)
        for model, judgments, fitted_at in session.execute(
            select(ModelFit.model, ModelFit.judgments, ModelFit.fitted_at).where(
                ModelFit.project_id == project.id, ModelFit.model.in_((CLAIM, *YARDSTICKS))
            )
        )
    }
    _, since = kept.get(CLAIM, (0, None))
    if since is not None and since <= now - CLAIMED_FOR:
        since = None
    fitted = [kept[model][0] for model in YARDSTICKS if model in kept]
    return Renewal(since=since, is_due=since is None and _are_outdated(fitted, statistics))


def _are_outdated(fitted: Sequence[int], statistics: ProjectStatistics) -> bool:
    """fitted: judgments of those YARDSTICKS that are kept."""
    if statistics.judgments + statistics.waiting <= annotator_models.FITTED_UP_TO:
        return False
    # What a fit is made of: neither gold nor repeats, nor comparisons of more than two.
    table = statistics.table()
    now = int(table.counts.sum(axis=1) @ table.items)
    return len(fitted) < len(YARDSTICKS) or now > RENEWED_AFTER * fitted[0]


def renew(database: Database, slug: str, *, now: datetime) -> bool:
    """Fit all models anew, unless somebody does; whether it was done.

    What fails keeps its claim for an hour, so that not every page tries again; what is stopped is
    to `leave` it.
    """
    with database.writing() as session:
        project_id = projects.by_slug(session, slug).id
        if not _claim(session, project_id, now):
            return False
    annotator_models.fit(database, slug, now=now)
    leave(database, slug, now=now)
    return True


def leave(database: Database, slug: str, *, now: datetime) -> None:
    """Give the claim up, so that others may fit."""
    with database.writing() as session:
        project_id = projects.by_slug(session, slug).id
        session.execute(_of_claim(delete(ModelFit), project_id))


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
