"""What reviewers and admins see of a project, and what admins may change there."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.db import Database, utc_now
from app.models.accounts import Annotator
from app.services import (
    agreement,
    annotator_rows,
    audit,
    comparison_detail,
    comparisons,
    exports,
    overview,
    projects,
)
from app.services.audit import Action
from app.web import comparison_query
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.comparison_query import CAUSES, FilterQuery
from app.web.pages import render
from app.web.visitors import DatabaseDep, SettingsDep

router = APIRouter(prefix="/admin/{slug}")

PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


@router.get("/overview")
def show_overview(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        counts = overview.for_project(session, project)
    return render(request, "admin/overview.html", project=project, overview=counts)


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
    people = [name for name in (wanted.annotator, wanted.other) if name]
    if people:
        _write_down_reading(database, reviewer, slug, {"annotators": people})
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
    _write_down_reading(database, reviewer, slug, {"comparison": str(comparison_id)})
    return render(
        request, "admin/comparison.html", project=project, detail=detail, cause_names=CAUSES
    )


@router.get("/agreement")
def show_agreement(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        report = agreement.for_project(session, project)
    return render(request, "admin/agreement.html", project=project, report=report)


@router.get("/annotators")
def list_annotators(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    name: Annotated[str, Query(max_length=200)] = "",
    page: PageNumber = 1,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        found = annotator_rows.for_project(session, project, page=page, name=name)
    _write_down_reading(database, reviewer, slug, {"annotators": [row.name for row in found.rows]})
    return render(request, "admin/annotators.html", project=project, found=found, name=name)


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


def _write_down_reading(
    database: Database, reviewer: Annotator, slug: str, details: dict[str, Any]
) -> None:
    """That somebody saw what others judged: stored before they see it."""
    with database.writing() as session:
        audit.record(
            session,
            by=reviewer,
            action=Action.JUDGMENTS_READ,
            subject=f"project {slug}",
            details=details,
            now=utc_now(),
        )
