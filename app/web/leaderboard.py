"""The page that ranks the sources of a project's responses."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.db import utc_now
from app.services import annotator_models, leaderboards, projects, statistics
from app.web import comparison_query, readings
from app.web.access import CurrentReviewer
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/leaderboard")


@router.get("")
def show_leaderboard(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        by_skill = annotator_models.strengths(session, project, sums.judgments + sums.waiting)
    response = render(
        request,
        "admin/leaderboard.html",
        project=project,
        board=leaderboards.for_project(sums, by_skill),
        by_skill=by_skill,
        waiting=sums.waiting,
        filters=comparison_query,
    )
    return readings.catching_up(response, database, project.id, sums)
