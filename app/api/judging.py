"""Taking comparisons and judging them, as `services` decide; for programs that have a token.

What judging asks with every request is taken from the request itself: to have it handed in as a
dependency costs more.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app import metrics
from app.api import answers
from app.api.access import Annotating, database_of, settings_of
from app.api.answers import described
from app.api.schemas import (
    AssignmentAnswer,
    AssignmentId,
    JudgmentAnswer,
    JudgmentRequest,
    LeaseAnswer,
    ReasonRequest,
    Slug,
)
from app.db import utc_now
from app.rules.export_rows import iso
from app.services import assignments, judgments, projects
from app.threads import NEXT_SECONDS, short, short_within

router = APIRouter(tags=["Judging"])


@router.post(
    "/projects/{slug}/assignments",
    summary="Take the next comparison",
    responses=described(
        {
            200: {"description": "A comparison, reserved for you.", "model": AssignmentAnswer},
            204: {
                "description": "Nothing is left for you now. Others may hold the last ones, or an "
                "admin changes the queue; ask again after a while."
            },
        },
        404,
        409,
    ),
)
@short_within(NEXT_SECONDS)
def take_assignment(request: Request, annotator: Annotating, slug: Slug) -> Response:
    """Asking again before you have judged or skipped it gives the same one, and extends its lease.

    409 says that you have to read the current guideline first.
    """
    with metrics.leasing() as seen, database_of(request).writing() as session:
        project = projects.get_for(session, annotator, slug)
        view = assignments.lease_next(
            session,
            project,
            annotator,
            lease_seconds=settings_of(request).lease_seconds,
            now=utc_now(),
            last=True,
        )
        seen.outcome = "leased" if view is not None else "nothing_left"
    if view is None:
        return Response(status_code=204)
    return JSONResponse(answers.assignment(view))


@router.post(
    "/assignments/{assignment_id}/judgment",
    summary="Judge it",
    status_code=201,
    responses=described(
        {
            201: {"description": "The judgment is stored.", "model": JudgmentAnswer},
            200: {
                "description": "This key had stored this judgment before; nothing new is stored.",
                "model": JudgmentAnswer,
            },
        },
        404,
        409,
        413,
    ),
)
@short
def submit_judgment(
    request: Request, annotator: Annotating, assignment_id: AssignmentId, body: JudgmentRequest
) -> Response:
    """The judgment is on disk before it is answered. Where you get no answer, send the same request
    again: its key makes sure that it is stored once.

    409 says that you judged or skipped this comparison before, or used the key for another one.
    """
    with metrics.submitting() as seen, database_of(request).writing() as session:
        submitted = judgments.submit(
            session, annotator, assignment_id, body.submission(), now=utc_now(), last=True
        )
        seen.outcome = metrics.outcome_of(replayed=submitted.replayed, late=submitted.late)
    return JSONResponse(
        {"id": str(submitted.id), "late": submitted.late},
        status_code=200 if submitted.replayed else 201,
    )


@router.post(
    "/assignments/{assignment_id}/skip",
    summary="Pass on it",
    status_code=204,
    responses=described({204: {"description": "It goes to somebody else."}}, 404, 409, 413),
)
@short
def skip(
    request: Request, annotator: Annotating, assignment_id: AssignmentId, body: ReasonRequest
) -> Response:
    """A skip is not a verdict. Skipping again changes nothing."""
    with metrics.skipping(), database_of(request).writing() as session:
        judgments.skip(session, annotator, assignment_id, body.reason, now=utc_now())
    return Response(status_code=204)


@router.post(
    "/assignments/{assignment_id}/flag",
    summary="Say that something is wrong with it",
    status_code=204,
    responses=described({204: {"description": "An admin will see the flag."}}, 404, 413),
)
@short
def flag(
    request: Request, annotator: Annotating, assignment_id: AssignmentId, body: ReasonRequest
) -> Response:
    """Beside whatever verdict it gets."""
    with database_of(request).writing() as session:
        judgments.flag(session, annotator, assignment_id, body.reason, now=utc_now())
    return Response(status_code=204)


@router.post(
    "/assignments/{assignment_id}/heartbeat",
    summary="Keep it reserved",
    responses=described(
        {200: {"description": "It is yours until then.", "model": LeaseAnswer}}, 404, 409
    ),
)
@short
def extend_lease(request: Request, annotator: Annotating, assignment_id: AssignmentId) -> Response:
    """Send it now and then while you work on a comparison.

    409 says that the lease is over; a judgment is kept all the same.
    """
    with database_of(request).writing() as session:
        expires_at = assignments.heartbeat(
            session,
            annotator,
            assignment_id,
            lease_seconds=settings_of(request).lease_seconds,
            now=utc_now(),
        )
    return JSONResponse({"lease_expires_at": iso(expires_at)})
