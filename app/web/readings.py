"""What every admin page of statistics does: note who reads judgments, catch up, renew fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from fastapi import Response
from starlette.background import BackgroundTask, BackgroundTasks

from app import behind
from app.db import Database, utc_now
from app.models.accounts import Annotator
from app.rules.project_statistics import ProjectStatistics
from app.services import audit, judgment_readings, model_renewal, statistics
from app.services.model_renewal import Renewal


def write_down(
    database: Database,
    reader: Annotator,
    slug: str,
    details: Mapping[str, Any],
    comparisons: Collection[UUID] = (),
) -> None:
    """That somebody sees what others judged, one by one, on these comparisons: stored before they
    see it. Figures over many (agreement, leaderboard, planning) need no entry."""
    note(database, reader, comparisons)
    audit.record_reading(database, reader, slug, details, now=utc_now())


def note(database: Database, reader: Annotator, comparisons: Collection[UUID]) -> None:
    """That somebody sees how these comparisons were judged, as in every list of them: stored before
    they see it, and only what they had not seen before."""
    with database.reading() as session:
        new = set(comparisons) - judgment_readings.seen(session, reader, comparisons).keys()
    if new:
        with database.writing() as session:
            judgment_readings.note(session, reader, new, now=utc_now())


def catching_up(
    response: Response, database: Database, project_id: UUID, found: ProjectStatistics
) -> Response:
    """The answer; judgments that its statistics lack are folded once it is sent."""
    if found.waiting:
        response.background = BackgroundTask(
            behind.start, database, statistics.catch_up, project_id
        )
    return response


def renewing_models(
    response: Response, database: Database, slug: str, renewal: Renewal
) -> Response:
    """The answer; models that are outdated are fitted once it is sent."""
    if renewal.is_due:
        first = [response.background] if response.background else []
        task = BackgroundTask(
            behind.start, database, model_renewal.renew, slug, when_stopped=model_renewal.leave
        )
        response.background = BackgroundTasks([*first, task])
    return response
