"""The page that ranks the sources of a project's responses."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.db import utc_now
from app.services import (
    annotator_models,
    leaderboards,
    model_renewal,
    projects,
    statistics,
)
from app.services.source_models import STYLE_EFFECT
from app.web import comparison_query, readings
from app.web.access import CurrentReviewer
from app.web.pages import render
from app.web.visitors import DatabaseDep, FitMemoryDep

router = APIRouter(prefix="/admin/{slug}/leaderboard")


@router.get("")
def show_leaderboard(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    memory: FitMemoryDep,
    slug: str,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        fits = annotator_models.of_sources(
            session,
            project,
            sums.judgments + sums.waiting,
            recall=memory.of(project.id, sums),
        )
        renewal = model_renewal.of(session, project, sums, now=utc_now())
    response = render(
        request,
        "admin/leaderboard.html",
        project=project,
        board=leaderboards.for_project(sums, fits),
        fit=fits.get(STYLE_EFFECT),
        renewal=renewal,
        waiting=sums.waiting,
        filters=comparison_query,
    )
    return readings.renewing_models(
        readings.catching_up(response, database, project.id, sums), database, slug, renewal
    )
