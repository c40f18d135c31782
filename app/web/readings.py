"""What every admin page of statistics does: note who reads what others judged, and catch up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Response
from starlette.background import BackgroundTask

from app.db import Database, utc_now
from app.models.accounts import Annotator
from app.rules.project_statistics import ProjectStatistics
from app.services import audit, statistics
from app.services.audit import Action


def write_down(
    database: Database, reader: Annotator, slug: str, details: Mapping[str, Any]
) -> None:
    """That somebody saw what others judged: stored before they see it."""
    with database.writing() as session:
        audit.record(
            session,
            by=reader,
            action=Action.JUDGMENTS_READ,
            subject=f"project {slug}",
            details=details,
            now=utc_now(),
        )


def catching_up(
    response: Response, database: Database, project_id: UUID, found: ProjectStatistics
) -> Response:
    """The answer; judgments that its statistics lack are folded once it is sent."""
    if found.waiting:
        response.background = BackgroundTask(
            statistics.catch_up, database, project_id, now=utc_now()
        )
    return response
