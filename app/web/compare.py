"""Where comparisons are judged. The answer to a verdict or skip is the next comparison."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app import metrics
from app.db import Database, utc_now
from app.errors import NotFound
from app.models.accounts import Annotator
from app.models.judgments import Verdict
from app.models.projects import Project
from app.rules.sides import ranking_of_places
from app.services import assignments, judgments, progress, projects
from app.services.assignments import AssignmentView
from app.services.guidelines import GuidelineUnread
from app.services.judgments import Submission
from app.services.progress import Progress
from app.settings import Settings
from app.threads import NEXT_SECONDS, short, short_within
from app.web.access import CurrentAnnotator
from app.web.pages import render
from app.web.receipts import Receipt, mark
from app.web.visitors import DatabaseDep, SettingsDep

router = APIRouter(prefix="/projects/{slug}")

BEATS_IN_A_LEASE = 3

ReasonField = Annotated[str, Form()]


class VerdictForm(BaseModel):
    """What the page sends; the service checks what it means."""

    verdict: str
    """A side, `tie`, `both_bad`, or `ranking`, which is what `place` holds."""
    place: list[str] = []
    """Of each side in the order shown; looked at for a ranking only."""
    idempotency_key: str
    strength: int | None = None
    rationale: str | None = None
    active_ms: int | None = None
    layout: Literal["side_by_side", "stacked"] = "side_by_side"

    def submission(self) -> Submission:
        # Browsers send line ends of forms as CRLF.
        rationale = self.rationale.replace("\r\n", "\n") if self.rationale else None
        is_ranking = self.verdict == Verdict.RANKING
        return Submission(
            verdict=None if is_ranking else self.verdict,
            ranking=ranking_of_places(self.place) if is_ranking else None,
            idempotency_key=self.idempotency_key,
            strength=self.strength,
            rationale=rationale,
            active_ms=self.active_ms,
            layout=self.layout,
        )


@dataclass(frozen=True)
class Work:
    """What is in front of the annotator. No view: nothing left, or a guideline to read first."""

    project: Project
    progress: Progress
    view: AssignmentView | None
    guideline_unread: bool
    heartbeat_seconds: float
    """How often the page says that it is still in front of somebody."""


@dataclass(frozen=True)
class Leased:
    """What one writing transaction gave."""

    project: Project
    view: AssignmentView | None
    guideline_unread: bool


def _lease_next(
    session: Session, project: Project, annotator: Annotator, settings: Settings, now: datetime
) -> Leased:
    """The last thing that a transaction does."""
    try:
        view = assignments.lease_next(
            session, project, annotator, lease_seconds=settings.lease_seconds, now=now, last=True
        )
    except GuidelineUnread:
        return Leased(project, None, guideline_unread=True)
    return Leased(project, view, guideline_unread=False)


def _work(database: Database, annotator: Annotator, settings: Settings, leased: Leased) -> Work:
    # Counted after the commit: nobody who waits to write has to wait for this.
    with database.reading() as session:
        done = progress.for_annotator(session, leased.project, annotator)
    return Work(
        project=leased.project,
        progress=done,
        view=leased.view,
        guideline_unread=leased.guideline_unread,
        heartbeat_seconds=settings.lease_seconds / BEATS_IN_A_LEASE,
    )


@router.get("/compare")
@short_within(NEXT_SECONDS)
def show_comparison(
    request: Request,
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    settings: SettingsDep,
    slug: str,
) -> Response:
    with metrics.leasing() as seen, database.writing() as session:
        project = projects.get_for(session, annotator, slug)
        leased = _lease_next(session, project, annotator, settings, utc_now())
        seen.outcome = "leased" if leased.view is not None else "nothing_left"
    if leased.guideline_unread:
        return RedirectResponse(f"/projects/{slug}/guideline", status_code=303)
    work = _work(database, annotator, settings, leased)
    return render(request, "compare.html", work=work)


def _project_of(session: Session, annotator: Annotator, slug: str, assignment_id: UUID) -> Project:
    """The project that the address names; NotFound where the assignment is of another one."""
    project = projects.get_of_assignment(session, annotator, assignment_id)
    if project.slug != slug:
        raise NotFound(
            f"Assignment {assignment_id} is not of the project {slug!r}. Ask for the next one."
        )
    return project


@router.post("/assignments/{assignment_id}/judgment")
@short
def submit_judgment(
    request: Request,
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    settings: SettingsDep,
    slug: str,
    assignment_id: UUID,
    form: Annotated[VerdictForm, Form()],
) -> Response:
    now = utc_now()
    with metrics.submitting() as seen, database.writing() as session:
        project = _project_of(session, annotator, slug, assignment_id)
        stored = judgments.submit(session, annotator, assignment_id, form.submission(), now=now)
        seen.outcome = metrics.outcome_of(replayed=stored.replayed, late=stored.late)
        leased = _lease_next(session, project, annotator, settings, now)
    work = _work(database, annotator, settings, leased)
    receipt = Receipt.REPLAYED if stored.replayed else Receipt.STORED
    return mark(render(request, "_comparison.html", work=work), receipt)


@router.post("/assignments/{assignment_id}/skip")
@short
def skip_comparison(
    request: Request,
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    settings: SettingsDep,
    slug: str,
    assignment_id: UUID,
    reason: ReasonField,
) -> Response:
    now = utc_now()
    with metrics.skipping(), database.writing() as session:
        project = _project_of(session, annotator, slug, assignment_id)
        judgments.skip(session, annotator, assignment_id, reason, now=now)
        leased = _lease_next(session, project, annotator, settings, now)
    work = _work(database, annotator, settings, leased)
    return mark(render(request, "_comparison.html", work=work), Receipt.SKIPPED)


@router.post("/assignments/{assignment_id}/flag")
@short
def flag_comparison(
    request: Request,
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    slug: str,
    assignment_id: UUID,
    reason: ReasonField,
) -> Response:
    with database.writing() as session:
        _project_of(session, annotator, slug, assignment_id)
        judgments.flag(session, annotator, assignment_id, reason, now=utc_now())
    return mark(render(request, "_flagged.html"), Receipt.FLAGGED)


@router.post("/assignments/{assignment_id}/heartbeat")
@short
def extend_lease(
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    settings: SettingsDep,
    slug: str,
    assignment_id: UUID,
) -> Response:
    with database.writing() as session:
        _project_of(session, annotator, slug, assignment_id)
        assignments.heartbeat(
            session,
            annotator,
            assignment_id,
            lease_seconds=settings.lease_seconds,
            now=utc_now(),
        )
    return Response(status_code=204)
