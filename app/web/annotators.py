"""Pages of a project's annotators: all of them, one of them, and every two side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field
from starlette.background import BackgroundTask

from app import behind
from app.db import utc_now
from app.models.projects import Project
from app.rules.bootstrap import FEWEST_UNITS
from app.rules.gold_rule import FEWEST
from app.services import (
    annotator_figures,
    annotator_matrix,
    annotator_models,
    annotator_page,
    annotator_rows,
    model_renewal,
    projects,
    statistics,
    tallies,
)
from app.services.annotator_models import DAWID_SKENE
from app.web import comparison_query, readings
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.agreement import VERDICTS
from app.web.charts.lines import Given, LineChart, line_chart
from app.web.pages import render
from app.web.visitors import DatabaseDep, FitMemoryDep

router = APIRouter(prefix="/admin/{slug}/annotators")

Sort = Literal["judgments", "agreement", "skill", "gold", "repeats", "side", "pace"]
Name = Annotated[str, Query(max_length=200)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


@router.get("")
def list_annotators(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    memory: FitMemoryDep,
    slug: str,
    name: Name = "",
    sort: Annotated[Sort, Query()] = "judgments",
    page: PageNumber = 1,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        figures = annotator_figures.for_project(session, project, sums.annotators())
        fits = annotator_models.for_project(
            session,
            project,
            sums.judgments + sums.waiting,
            annotator_rows.OF_THE_LIST,
            recall=memory.of(project.id, sums),
        )
        found = annotator_rows.for_project(
            session, project, figures, fits, page=page, name=name, sort=sort
        )
        renewal = model_renewal.of(session, project, sums, now=utc_now())
    readings.write_down(database, reviewer, slug, {"annotators": [r.name for r in found.rows]})
    response = render(
        request,
        "admin/annotators.html",
        project=project,
        found=found,
        name=name,
        sort=sort,
        left_out=figures.left_out,
        first_only=tallies.is_first_only(project),
        fit=fits.get(DAWID_SKENE),
        renewal=renewal,
        waiting=sums.waiting,
        filters=comparison_query,
    )
    return readings.renewing_models(
        readings.catching_up(response, database, project.id, sums), database, slug, renewal
    )


class MatrixQuery(comparison_query.FilterQuery):
    """A slice as lists of comparisons know it, and what is shown of it."""

    name: Annotated[str, Field(max_length=200)] = ""
    figure: Literal["agreement", "kappa", "weighted"] = "agreement"
    ties: annotator_matrix.Ties = "with"


@router.get("/matrix")
def show_matrix(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    query: Annotated[MatrixQuery, Query()],
) -> Response:
    wanted = replace(comparison_query.read(query), show="judged")
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    ties, name, graded = query.ties, query.name, query.figure == "weighted"
    # The sums hold no grades of two annotators, and no slices. What is read from the judgments
    # themselves lacks none that wait.
    is_kept = wanted.is_plain and not graded
    sums = statistics.read(database, project.id, now=utc_now()) if is_kept else None
    with database.reading() as session:
        matrix = (
            annotator_matrix.for_slice(
                session, project, wanted, ties=ties, graded=graded, name=name
            )
            if sums is None
            else annotator_matrix.for_project(session, sums, ties=ties, name=name)
        )
    readings.write_down(database, reviewer, slug, {"annotators": [p.name for p in matrix.people]})
    response = render(
        request,
        "admin/matrix.html",
        project=project,
        matrix=matrix,
        wanted=wanted,
        query=query,
        verdicts=VERDICTS,
        waiting=sums.waiting if sums else 0,
        filters=comparison_query,
    )
    return readings.catching_up(response, database, project.id, sums) if sums else response


@router.post("/fit")
def fit_models(admin: CurrentAdmin, database: DatabaseDep, slug: str) -> Response:
    """Fit the models of a large project anew, after the answer."""
    with database.reading() as session:
        projects.get_for(session, admin, slug)
    return RedirectResponse(
        f"/admin/{slug}/annotators?sort=skill",
        status_code=303,
        background=BackgroundTask(
            behind.start, database, model_renewal.renew, slug, when_stopped=model_renewal.leave
        ),
    )


@router.get("/{annotator_id}")
def show_annotator(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    memory: FitMemoryDep,
    slug: str,
    annotator_id: UUID,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    sums = statistics.read(database, project.id, now=utc_now())
    with database.reading() as session:
        people = sums.annotators()
        figures = annotator_figures.for_project(session, project, people)
        fits = annotator_models.for_project(
            session, project, sums.judgments + sums.waiting, recall=memory.of(project.id, sums)
        )
        row = annotator_rows.for_annotator(session, project, annotator_id, figures, fits)
        renewal = model_renewal.of(session, project, sums, now=utc_now())
        detail = annotator_page.detail(
            session, project, annotator_id, people, sums.pairs(), fits, skips=row.skips
        )
    readings.write_down(database, reviewer, slug, {"annotators": [row.name]})
    response = render(
        request,
        "admin/annotator.html",
        project=project,
        row=row,
        detail=detail,
        chart=_trend(project, row.name, detail),
        fewest_gold=FEWEST,
        first_only=tallies.is_first_only(project),
        fit=fits.get(DAWID_SKENE),
        renewal=renewal,
        waiting=sums.waiting,
        filters=comparison_query,
    )
    return readings.renewing_models(
        readings.catching_up(response, database, project.id, sums), database, slug, renewal
    )


def _trend(project: Project, name: str, detail: annotator_page.AnnotatorDetail) -> LineChart | None:
    """None where there are fewer than two weeks to join."""
    given = []
    for week in detail.weeks:
        if week.agreement.value is not None:
            query = comparison_query.asking(
                annotator=name,
                kind="counted",
                overlap=2,
                first_two=tallies.is_first_only(project),
                week=week.monday,
            )
            given.append(
                Given(
                    week.monday.toordinal(),
                    week.monday.isoformat(),
                    week.agreement,
                    week.agreement.n < FEWEST_UNITS,
                    f"/admin/{project.slug}/comparisons?{query}",
                )
            )
    return line_chart(given) if len(given) > 1 else None
