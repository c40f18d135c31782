"""The page of a project's queue: who judges what, how often, and what is waiting."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.db import utc_now
from app.models.accounts import Annotator
from app.rules.policy_text import sentences
from app.services import projects, queue, queue_overview
from app.web.access import CurrentAdmin, CurrentReviewer
from app.web.pages import render
from app.web.queue_form import PolicyForm, form_of, read
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/queue")


@router.get("")
def show_queue(
    request: Request, reviewer: CurrentReviewer, database: DatabaseDep, slug: str
) -> Response:
    with database.reading() as session:
        shown = _shown(session, reviewer, slug)
    return render(request, "admin/queue.html", form=form_of(shown["policy"]), problems={}, **shown)


@router.post("")
def change_queue(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    form: Annotated[PolicyForm, Form()],
) -> Response:
    """A form that is wrong comes back as it was written, with a sentence beside each mistake."""
    policy, problems = read(form)
    if policy is None:
        with database.reading() as session:
            shown = _shown(session, admin, slug)
        return render(
            request, "admin/queue.html", status=422, form=form, problems=problems, **shown
        )
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        queue_overview.change_policy(session, project, policy, by=admin, now=utc_now())
    return RedirectResponse(f"/admin/{slug}/queue", status_code=303)


def _shown(session: Session, reader: Annotator, slug: str) -> dict[str, Any]:
    project = projects.get_for(session, reader, slug)
    policy = queue.policy_of(project)
    return {
        "project": project,
        "policy": policy,
        "sentences": sentences(policy),
        "queue": queue_overview.for_project(session, project, now=utc_now()),
    }
