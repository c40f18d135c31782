"""What reviewers and admins see of a project, and what admins may change there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.db import utc_now
from app.services import (
    comparison_detail,
    comparisons,
    exports,
    overview,
    projects,
)
from app.web import comparison_query, readings
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.comparison_query import CAUSES, FilterQuery
from app.web.pages import render
from app.web.visitors import DatabaseDep, SettingsDep

router = APIRouter(prefix="/admin/{slug}")


@router.get("/overview")
def show_overview(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        counts = overview.for_project(session, project)
    return render(
        request, "admin/overview.html", project=project, overview=counts, filters=comparison_query
    )


@router.get("/comparisons")
def list_comparisons(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    query: Annotated[FilterQuery, Query()],
) -> Response:
    wanted = comparison_query.read(query)
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        found = comparisons.page_of(session, project, wanted, page=query.page)
    readings.note(database, reviewer, [row.id for row in found.rows if row.judgments])
    people = [name for name in (wanted.annotator, wanted.other) if name]
    if people:
        readings.write_down(database, reviewer, slug, {"annotators": people})
    elif any(row.judgments for row in found.rows):
        readings.write_down(database, reviewer, slug, {"list": "comparisons"})
    return render(
        request,
        "admin/comparisons.html",
        project=project,
        found=found,
        wanted=wanted,
        filters=comparison_query,
    )


@router.get("/comparisons/{comparison_id}")
def show_comparison(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    comparison_id: UUID,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        detail = comparison_detail.detail(session, project, comparison_id, reader=reviewer)
    seen = [comparison_id] if detail.judgments else []
    readings.write_down(database, reviewer, slug, {"comparison": str(comparison_id)}, seen)
    return render(
        request, "admin/comparison.html", project=project, detail=detail, cause_names=CAUSES
    )


@router.get("/exports")
def list_exports(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        written = exports.list_for(session, project)
    return render(request, "admin/exports.html", project=project, exports=written)


@router.post("/exports")
def start_export(
    admin: CurrentAdmin, database: DatabaseDep, settings: SettingsDep, slug: str
) -> Response:
    now = utc_now()
    with database.reading() as session:
        project = projects.get_for(session, admin, slug)
    out = settings.exports_dir / f"{project.slug}-{now:%Y%m%d-%H%M%S}"
    exports.export_project(database, project.slug, out, exports.ExportOptions(), by=admin, now=now)
    return RedirectResponse(f"/admin/{slug}/exports", status_code=303)
