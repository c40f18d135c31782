"""Projects: what they ask, how far annotators agree, the preference rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.background import BackgroundTask

from app import behind
from app.api.access import Annotating, DatabaseDep, Exporting, Reading, ReadingOthers
from app.api.answers import NDJSON, described, lines
from app.api.schemas import (
    AgreementAnswer,
    GuidelineRequest,
    PreferenceRow,
    ProjectAnswer,
    ProjectsAnswer,
    Slug,
)
from app.db import Database, utc_now
from app.models.projects import Project
from app.rules.project_statistics import Dimension
from app.rules.soft_labels import Reliability
from app.services import (
    agreement,
    agreement_slices,
    audit,
    exports,
    guidelines,
    progress,
    projects,
    statistics,
)
from app.services.agreement_slices import By
from app.services.audit import Action
from app.services.exports import ExportOptions

router = APIRouter(prefix="/projects", tags=["Projects"])


@router.get(
    "",
    summary="Your projects",
    responses=described({200: {"description": "By name.", "model": ProjectsAnswer}}),
)
def list_projects(annotator: Reading, database: DatabaseDep) -> Response:
    """Annotators see those that they are members of; reviewers and admins see all."""
    with database.reading() as session:
        found = projects.list_for(session, annotator)
    return JSONResponse({"projects": [_row(project) for project in found]})


@router.get(
    "/{slug}",
    summary="One project",
    responses=described({200: {"description": "It is open to you.", "model": ProjectAnswer}}, 404),
)
def show_project(annotator: Reading, database: DatabaseDep, slug: Slug) -> Response:
    """Its question, its guideline, and how far you are."""
    with database.reading() as session:
        project = projects.get_for(session, annotator, slug)
        version = guidelines.current(session, project)
        has_read = version is not None and guidelines.has_read(session, version, annotator)
        own = progress.for_annotator(session, project, annotator)
    guideline = None
    if version is not None:
        guideline = {"version": version.version, "markdown": version.markdown, "read": has_read}
    return JSONResponse({**_row(project), "guideline": guideline, "progress": asdict(own)})


@router.post(
    "/{slug}/guideline/reading",
    summary="Confirm that you have read the guideline",
    status_code=204,
    responses=described({204: {"description": "It is noted."}}, 404, 409, 413),
)
def confirm_reading(
    annotator: Annotating, database: DatabaseDep, slug: Slug, body: GuidelineRequest
) -> Response:
    """Comparisons of a project with a guideline are handed out after this.

    409 says that another version is current by now.
    """
    with database.writing() as session:
        project = projects.get_for(session, annotator, slug)
        guidelines.confirm_version(session, project, annotator, body.version, now=utc_now())
    return Response(status_code=204)


@router.get(
    "/{slug}/agreement",
    summary="How far annotators agree",
    responses=described(
        {200: {"description": "The dashboard's numbers.", "model": AgreementAnswer}}, 404
    ),
)
def show_agreement(
    reviewer: ReadingOthers,
    database: DatabaseDep,
    slug: Slug,
    by: Annotated[
        By | None,
        Query(description="What to divide comparisons by; without it, no slices are answered."),
    ] = None,
) -> Response:
    """Each statistic has its n and 95 % interval, or the reason why it is undefined. Figures whose
    name has `no_ties` leave out the verdicts `tie` and `both_bad`. Where the project asks, or once
    asked, for more judgments where annotators disagree, figures are of each comparison's first two
    judgments, and `counted` says so."""
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
    now = utc_now()
    sums = statistics.read(database, project.id, now=now)
    found = agreement.summary(project, sums) | {"waiting": sums.waiting}
    if by is not None:
        with database.reading() as session:
            versions = guidelines.versions(session, project)
        counted = agreement.counted_of(project)
        found |= agreement_slices.answer(sums, Dimension(by), versions, counted=counted)
    catch_up = BackgroundTask(behind.start, database, statistics.catch_up, project.id)
    return JSONResponse(found, background=catch_up if sums.waiting else None)


@router.get(
    "/{slug}/preferences",
    summary="Read the preference rows",
    response_class=StreamingResponse,
    responses=described(
        {
            200: {
                "description": "One JSON object a line, by comparison.",
                "content": {NDJSON: {"schema": {"type": "string"}, "x-line": "PreferenceRow"}},
            }
        },
        404,
    ),
)
def stream_preferences(
    admin: Exporting,
    database: DatabaseDep,
    slug: Slug,
    rows: Annotated[
        Literal["aggregated", "judgments"],
        Query(description="One row a pair from all its judgments, or one row a judgment."),
    ] = "aggregated",
    ties: Annotated[
        Literal["keep", "drop"],
        Query(description="Whether pairs without a majority become rows, of probability 0.5."),
    ] = "drop",
    slight: Annotated[
        Literal["keep", "drop"],
        Query(description="Whether pairs of which one is slightly better (strength 1) are there."),
    ] = "keep",
) -> Response:
    """A row is that of an export bundle with its `split`. What is judged meanwhile may or may not
    be in the stream; `prefloop export` sees one state of the project throughout."""
    options = ExportOptions(rows=rows, ties=ties, slight=slight)
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        audit.record(
            session,
            by=admin,
            action=Action.EXPORTED,
            subject=f"project {slug}",
            details={**asdict(options), "over": "api"},
            now=utc_now(),
        )
    with database.reading() as session:
        reliable = exports.read_reliability(session, project, options)
        first, after = exports.preference_page(session, project, options, reliable)
    stream = _pages(database, project, options, reliable, first, after)
    return StreamingResponse(stream, media_type=NDJSON)


def _pages(
    database: Database,
    project: Project,
    options: ExportOptions,
    reliable: Reliability[UUID],
    page: list[tuple[str, dict[str, Any]]],
    after: UUID | None,
) -> Iterator[bytes]:
    """The stream, each page read in a short transaction: a slow reader holds none open."""
    yield lines({**row, "split": split} for split, row in page)
    while after is not None:
        with database.reading() as session:
            page, after = exports.preference_page(session, project, options, reliable, after=after)
        yield lines({**row, "split": split} for split, row in page)


def _row(project: Project) -> dict[str, Any]:
    return {"slug": project.slug, "name": project.name, "question": project.question}


LINE_SCHEMAS = (PreferenceRow,)
"""What a line of a stream holds, for the OpenAPI document."""
