"""Where an admin writes the guideline, with the sentences at hand that reviewers suggest for it."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.db import Database, utc_now
from app.models.accounts import Annotator
from app.models.adjudications import CandidateStatus
from app.services import candidates, guidelines, projects
from app.web import readings
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}")

STATUSES = (CandidateStatus.OPEN, CandidateStatus.ADOPTED, CandidateStatus.DROPPED)
Draft = Annotated[str, Form()]
Chosen = Annotated[list[UUID], Form(default_factory=list, max_length=candidates.MOST)]
"""The suggestions that are ticked."""


@router.get("/guideline")
def edit_guideline(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    shown = _shown(database, reviewer, slug)
    return render(request, "admin/guideline.html", **shown)


@router.post("/guideline")
def publish_guideline(
    admin: CurrentAdmin, database: DatabaseDep, slug: str, candidate: Chosen, markdown: Draft = ""
) -> Response:
    """Publish a version, which answers the suggestions that are ticked."""
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        version = guidelines.publish(session, project, markdown, by=admin, now=utc_now())
        candidates.adopt(session, project, candidate, version)
    return RedirectResponse(f"/admin/{slug}/guideline", status_code=303)


@router.post("/guideline/draft")
def insert_candidates(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    candidate: Chosen,
    markdown: Draft = "",
) -> Response:
    """The page again with the ticked suggestions at the end of the text; nothing is stored."""
    shown = _shown(database, admin, slug, markdown, candidate)
    chosen = [found for found in shown["open"] if found.id in candidate]
    shown["markdown"] = candidates.insert_into(markdown, chosen)
    return render(request, "admin/guideline.html", **shown)


@router.post("/guideline/candidates/{candidate_id}/drop")
def drop_candidate(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    candidate_id: UUID,
    candidate: Chosen,
    markdown: Draft = "",
) -> Response:
    """The page comes again with the text as it was written."""
    _set_status(database, admin, slug, candidate_id, CandidateStatus.DROPPED)
    return _page(request, database, admin, slug, markdown, candidate)


@router.post("/guideline/candidates/{candidate_id}/reopen")
def reopen_candidate(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    candidate_id: UUID,
    candidate: Chosen,
    markdown: Draft = "",
) -> Response:
    """Take back what was dropped. The page comes again with the text as it was written."""
    _set_status(database, admin, slug, candidate_id, CandidateStatus.OPEN)
    return _page(request, database, admin, slug, markdown, candidate)


@router.post("/comparisons/{comparison_id}/candidates")
def suggest(
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    comparison_id: UUID,
    text: Annotated[str, Form()] = "",
    judgment_id: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Suggest a sentence, or what an annotator gave as a reason."""
    now = utc_now()
    with database.writing() as session:
        project = projects.get_for(session, reviewer, slug)
        if judgment_id is None:
            candidates.propose(session, project, comparison_id, text, by=reviewer, now=now)
        else:
            candidates.propose_rationale(
                session, project, comparison_id, judgment_id, by=reviewer, now=now
            )
    return RedirectResponse(
        f"/admin/{slug}/comparisons/{comparison_id}#suggestions", status_code=303
    )


def _set_status(
    database: Database, admin: Annotator, slug: str, candidate_id: UUID, status: CandidateStatus
) -> None:
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        candidates.set_status(session, project, candidate_id, status)


def _page(
    request: Request,
    database: Database,
    admin: Annotator,
    slug: str,
    markdown: str,
    chosen: list[UUID],
) -> Response:
    shown = _shown(database, admin, slug, markdown, chosen)
    return render(request, "admin/guideline.html", **shown)


def _shown(
    database: Database,
    reader: Annotator,
    slug: str,
    markdown: str | None = None,
    chosen: list[UUID] | None = None,
) -> dict[str, Any]:
    with database.reading() as session:
        project = projects.get_for(session, reader, slug)
        versions = guidelines.versions(session, project)[::-1]
        waiting, *done = (candidates.list_for(session, project, status) for status in STATUSES)
    if waiting or any(done):
        # A suggestion may be what an annotator gave as a reason.
        readings.write_down(database, reader, slug, {"list": "suggestions"})
    current = versions[0].markdown if versions else ""
    return {
        "project": project,
        "versions": versions,
        "open": waiting,
        "done": list(chain(*done)),
        "markdown": current if markdown is None else markdown,
        "chosen": chosen or [],
    }
