"""Leases: a comparison is reserved for one annotator until a time (`queue.py` chooses it)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Project,
    Prompt,
)
from app.rules.sides import shown_order, side_label
from app.services import guidelines, queue, slots
from app.services.queue import Choice

LONGEST_HOLD = 12
"""A lease is extended to at most this many times its length."""


@dataclass(frozen=True, kw_only=True)
class Side:
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class AssignmentView:
    """What an annotator may see of an assignment, and nothing else."""

    id: UUID
    project_slug: str
    question: str
    messages: list[dict[str, str]]
    sides: list[Side]
    guideline_version: int | None
    lease_expires_at: datetime


def lease_next(
    session: Session, project: Project, annotator: Annotator, *, lease_seconds: int, now: datetime
) -> AssignmentView | None:
    """The annotator's live lease, or a new one; None when nothing is left for them."""
    place = queue.take_turn(session, project, annotator)
    slots.release_expired(session, project, now=now)
    assignment = _live_lease(session, project, annotator)
    if assignment is None:
        choice = queue.next_choice(session, project, annotator, place, now=now)
        if choice is None:
            return None
        assignment = _lease(session, project, choice, annotator, now=now)
    assignment.lease_expires_at = now + timedelta(seconds=lease_seconds)
    session.flush()
    return view(session, project, assignment)


def heartbeat(
    session: Session,
    annotator: Annotator,
    assignment_id: UUID,
    *,
    lease_seconds: int,
    now: datetime,
) -> datetime:
    """Extend a lease while its page is in front of the annotator; gives its new end.

    An ended lease comes back to life where nobody else took the slot. Raises Conflict where it
    cannot be extended; a judgment is taken all the same. A page that nobody left or used for
    LONGEST_HOLD leases no longer holds its comparison.
    """
    assignment = get_for(session, annotator, assignment_id)
    latest = assignment.issued_at + LONGEST_HOLD * timedelta(seconds=lease_seconds)
    if assignment.state == AssignmentState.EXPIRED and now < latest:
        comparison = slots.lock(session, assignment.comparison_id)
        if assignment.kind != "normal" or comparison.open_slots > 0:
            assignment.state = AssignmentState.LEASED
            slots.recount(session, Comparison.id == comparison.id)
    if assignment.state != AssignmentState.LEASED or now >= latest:
        raise Conflict(
            f"This comparison is {assignment.state} and no longer reserved for you. "
            "A verdict that you send is kept; go on with the next one."
        )
    wanted = min(now + timedelta(seconds=lease_seconds), latest)
    assignment.lease_expires_at = max(assignment.lease_expires_at, wanted)
    session.flush()
    return assignment.lease_expires_at


def get_for(session: Session, annotator: Annotator, assignment_id: UUID) -> Assignment:
    """The annotator's own assignment, locked; NotFound for anybody else's.

    Locks the annotator as `queue.take_turn` does, in the same statement.
    """
    assignment = session.scalar(
        select(Assignment)
        .join(Annotator, Annotator.id == Assignment.annotator_id)
        .where(Assignment.id == assignment_id, Annotator.id == annotator.id)
        .with_for_update(key_share=True, of=(Annotator, Assignment))
        .execution_options(populate_existing=True)
    )
    if assignment is None:
        raise NotFound(f"There is no assignment {assignment_id} of yours. Ask for the next one.")
    return assignment


def view(session: Session, project: Project, assignment: Assignment) -> AssignmentView:
    comparison = session.get_one(Comparison, assignment.comparison_id)
    prompt = session.get_one(Prompt, comparison.prompt_id)
    order = [UUID(hex=completion) for completion in assignment.shown_order]
    texts = dict(
        session.execute(
            select(Completion.id, Completion.text).where(Completion.id.in_(order))
        ).all()
    )
    guideline = (
        session.get(GuidelineVersion, assignment.guideline_version_id)
        if assignment.guideline_version_id
        else None
    )
    return AssignmentView(
        id=assignment.id,
        project_slug=project.slug,
        question=project.question,
        messages=prompt.messages,
        sides=[Side(label=side_label(i), text=texts[c]) for i, c in enumerate(order)],
        guideline_version=guideline.version if guideline else None,
        lease_expires_at=assignment.lease_expires_at,
    )


def _live_lease(session: Session, project: Project, annotator: Annotator) -> Assignment | None:
    return session.scalar(
        select(Assignment)
        .where(
            Assignment.annotator_id == annotator.id,
            Assignment.project_id == project.id,
            Assignment.state == AssignmentState.LEASED,
        )
        .order_by(Assignment.issued_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _lease(
    session: Session, project: Project, choice: Choice, annotator: Annotator, *, now: datetime
) -> Assignment:
    """A lease on a chosen comparison.

    An expired one of the same annotator comes back to life with the order it had, because its page
    may still be open.
    """
    comparison = choice.comparison
    assignment = session.scalar(
        select(Assignment).where(
            Assignment.comparison_id == comparison.id,
            Assignment.annotator_id == annotator.id,
            Assignment.repeat == choice.repeat,
        )
    )
    if assignment is None:
        completions = session.scalars(
            select(ComparisonCompletion.completion_id)
            .where(ComparisonCompletion.comparison_id == comparison.id)
            .order_by(ComparisonCompletion.position)
        ).all()
        order = shown_order(comparison.id, annotator.id, completions, repeat=choice.repeat)
        assignment = Assignment(
            project_id=comparison.project_id,
            comparison_id=comparison.id,
            annotator_id=annotator.id,
            repeat=choice.repeat,
            kind=choice.kind,
            shown_order=[completion.hex for completion in order],
            issued_at=now,
            lease_expires_at=now,
        )
        session.add(assignment)
    guideline = guidelines.current(session, project)
    assignment.guideline_version_id = guideline.id if guideline else None
    assignment.state = AssignmentState.LEASED
    assignment.issued_at = now
    slots.recount(session, Comparison.id == comparison.id)
    return assignment
