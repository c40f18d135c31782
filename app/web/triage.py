"""The triage queue and the page on which a reviewer decides a comparison without seeing who said
what."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from app.db import utc_now
from app.errors import InvalidInput
from app.services import adjudications, candidates, projects, reasons, triage
from app.services.adjudications import Decision
from app.web import comparison_query, readings
from app.web.access import CurrentReviewer
from app.web.comparison_query import CAUSES, OUTCOMES
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/admin/{slug}/triage")

TagFilter = Annotated[str, Query(max_length=100)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


class DecisionForm(BaseModel):
    """What the page sends; the service checks what it means."""

    outcome: Annotated[str, Field(max_length=20)]
    cause: Annotated[str, Field(max_length=40)] = ""
    note: str = ""
    revises: UUID | Annotated[str, Field(max_length=0)] = ""
    suggest: bool = False
    """Whether the note goes to the guideline's candidates too."""

    def decision(self) -> Decision:
        return Decision(
            outcome=self.outcome,
            cause=self.cause or None,
            # Browsers send line ends of forms as CRLF.
            note=self.note.replace("\r\n", "\n"),
            revises=self.revises if isinstance(self.revises, UUID) else None,
        )


@router.get("")
def show_queue(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    tag: TagFilter = "",
    page: PageNumber = 1,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        found = triage.page_of(session, project, reviewer, tag=tag.strip(), page=page)
        causes = adjudications.causes(session, project)
        outcomes = adjudications.outcomes(session, project)
    if found.rows:
        readings.write_down(database, reviewer, slug, {"list": "triage"})
    return render(
        request,
        "admin/triage.html",
        project=project,
        found=found,
        causes=causes,
        outcomes=outcomes,
        outcome_names=OUTCOMES,
        look_at=triage.LOOK_AT,
        cause_names=CAUSES,
        tag=tag.strip(),
    )


@router.get("/next")
def go_to_next(
    reviewer: CurrentReviewer, database: DatabaseDep, slug: str, tag: TagFilter = ""
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        comparison = triage.next_for(session, project, reviewer, tag=tag.strip())
    address = f"/admin/{slug}/triage"
    if comparison is not None:
        address += f"/{comparison}"
    return RedirectResponse(address, status_code=303)


@router.get("/reasons")
def show_reasons(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    undecided: bool = False,
) -> Response:
    """Of decided comparisons; of others only where that is asked for, because who reads them no
    longer decides blind."""
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        read = reasons.of_undecided if undecided else reasons.of_decided
        groups = read(session, project)
        totals = {row.cause: row.total for row in adjudications.causes(session, project)}
        left = triage.count_undecided(session, project)
    seen = set[UUID]().union(*(group.comparisons for group in groups))
    if seen:
        details = {"reasons": "undecided" if undecided else "decided"}
        readings.write_down(database, reviewer, slug, details, seen)
    return render(
        request,
        "admin/reasons.html",
        project=project,
        groups=groups,
        totals=totals,
        left=left,
        undecided=undecided,
        cause_names=CAUSES,
        decisions=reasons.DECISIONS,
        filters=comparison_query,
    )


@router.post("/reasons/{comparison_id}")
def suggest_reason(
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    comparison_id: UUID,
    text: Annotated[str, Form()],
    undecided: Annotated[bool, Form()] = False,
) -> Response:
    with database.writing() as session:
        project = projects.get_for(session, reviewer, slug)
        candidates.propose(session, project, comparison_id, text, by=reviewer, now=utc_now())
    query = "?undecided=true" if undecided else ""
    return RedirectResponse(f"/admin/{slug}/triage/reasons{query}", status_code=303)


@router.get("/{comparison_id}")
def show_blind(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    comparison_id: UUID,
) -> Response:
    with database.reading() as session:
        project = projects.get_for(session, reviewer, slug)
        view = adjudications.blind(session, project, reviewer, comparison_id)
    form = DecisionForm(outcome="", revises=view.revises or "")
    return render(
        request,
        "admin/adjudicate.html",
        project=project,
        view=view,
        form=form,
        problem="",
        cause_names=CAUSES,
    )


@router.post("/{comparison_id}")
def adjudicate(
    request: Request,
    reviewer: CurrentReviewer,
    database: DatabaseDep,
    slug: str,
    comparison_id: UUID,
    form: Annotated[DecisionForm, Form()],
) -> Response:
    """A form that is wrong comes back as it was written, with a sentence about the mistake."""
    now = utc_now()
    try:
        with database.writing() as session:
            project = projects.get_for(session, reviewer, slug)
            decision = form.decision()
            adjudications.adjudicate(session, project, reviewer, comparison_id, decision, now=now)
            if form.suggest:
                candidates.propose(session, project, comparison_id, form.note, by=reviewer, now=now)
    except InvalidInput as error:
        with database.reading() as session:
            project = projects.get_for(session, reviewer, slug)
            view = adjudications.blind(session, project, reviewer, comparison_id)
        return render(
            request,
            "admin/adjudicate.html",
            status=error.status,
            project=project,
            view=view,
            form=form,
            problem=str(error),
            cause_names=CAUSES,
        )
    return RedirectResponse(f"/admin/{slug}/comparisons/{comparison_id}", status_code=303)
