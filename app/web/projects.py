"""The list of projects, and the guideline that comes before the first comparison."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.db import utc_now
from app.services import guidelines, progress, projects
from app.web.access import Anyone, CurrentAnnotator
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter()


@router.get("/")
def go_home(visitor: Anyone) -> Response:
    return RedirectResponse("/projects", status_code=303)


@router.get("/projects")
def list_projects(request: Request, annotator: CurrentAnnotator, database: DatabaseDep) -> Response:
    with database.reading() as session:
        rows = [
            (project, progress.for_annotator(session, project, annotator))
            for project in projects.list_for(session, annotator)
        ]
    return render(request, "projects.html", rows=rows)


@router.get("/projects/{slug}/guideline")
def show_guideline(
    request: Request, annotator: CurrentAnnotator, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, annotator, slug)
        version = guidelines.current(session, project)
        has_read = version is None or guidelines.has_read(session, version, annotator)
    return render(request, "guideline.html", project=project, version=version, has_read=has_read)


@router.post("/projects/{slug}/guideline/reading")
def confirm_reading(annotator: CurrentAnnotator, database: DatabaseDep, slug: str) -> Response:
    with database.writing() as session:
        project = projects.get_for(session, annotator, slug)
        version = guidelines.current(session, project)
        if version is not None:
            guidelines.confirm_reading(session, version, annotator, now=utc_now())
    return RedirectResponse(f"/projects/{slug}/compare", status_code=303)
