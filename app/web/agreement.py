"""The page of a project's agreement: headline figures, over time, and by group."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app.db import utc_now
from app.rules.project_statistics import Dimension
from app.services import agreement, agreement_slices, guidelines, projects, statistics
from app.web import comparison_query, readings
from app.web.access import CurrentReviewer
from app.web.charts.lines import Given, LineChart, line_chart
from app.web.pages import render
from app.web.published import STUDIES
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/agreement")

By = Literal["guideline", "tag", "sources", "strength", "week"]
Figure = Literal["agreement", "without_ties", "alpha"]


@router.get("")
def show_agreement(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    by: Annotated[By, Query()] = "guideline",
    figure: Annotated[Figure, Query()] = "agreement",
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        report = agreement.for_project(session, project)
        versions = guidelines.versions(session, project)
    weeks = agreement_slices.by(sums, Dimension.WEEK, versions)
    breakdown = weeks
    if by != "week":
        breakdown = agreement_slices.by(sums, Dimension(by), versions)
    published = [(v.published_at.toordinal(), f"v{v.version}") for v in versions]
    response = render(
        request,
        "admin/agreement.html",
        project=project,
        report=report,
        graded=agreement_slices.graded_alpha(sums),
        weeks=weeks,
        chart=_over_time(weeks, figure, published),
        breakdown=breakdown,
        by=by,
        figure=figure,
        waiting=sums.waiting,
        studies=STUDIES,
        filters=comparison_query,
    )
    return readings.catching_up(response, database, project.id, sums)


def _over_time(
    weeks: agreement_slices.Breakdown, figure: Figure, marks: list[tuple[int, str]]
) -> LineChart | None:
    """None where there are fewer than two weeks to join."""
    given = []
    for row in weeks.rows:
        assert isinstance(row.value, date), "weeks are named by their Mondays"
        # A week stands at its middle.
        middle = row.value.toordinal() + 3
        given.append(Given(middle, row.name, getattr(row, figure), row.is_faint))
    if sum(one.statistic.value is not None for one in given) < 2:
        return None
    return line_chart(given, start=given[0].at - 3, end=given[-1].at + 4, marks=marks)
