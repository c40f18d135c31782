"""The queue: which comparison an annotator gets next, and for how long."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.errors import NotFound
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
from app.services import guidelines, slots


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
    _take_turns(session, annotator)
    slots.release_expired(session, project, now=now)
    assignment = _live_lease(session, project, annotator)
    if assignment is None:
        comparison = _next_comparison(session, project, annotator)
        if comparison is None:
            return None
        assignment = _lease(session, project, comparison, annotator, now=now)
    assignment.lease_expires_at = now + timedelta(seconds=lease_seconds)
    session.flush()
    return view(session, project, assignment)


def get_for(session: Session, annotator: Annotator, assignment_id: UUID) -> Assignment:
    """The annotator's own assignment, locked; NotFound for anybody else's."""
    _take_turns(session, annotator)
    assignment = session.scalar(
        select(Assignment)
        .where(Assignment.id == assignment_id, Assignment.annotator_id == annotator.id)
        .with_for_update()
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


def _take_turns(session: Session, annotator: Annotator) -> None:
    """One transaction of an annotator at a time: two tabs get one lease, and store one judgment.

    Taken before any other lock. Afterwards a transaction waits for its own assignment, then for
    that one's comparison, and takes everything else only where it is free, so none wait in a ring.
    """
    session.execute(
        select(Annotator.id).where(Annotator.id == annotator.id).with_for_update(key_share=True)
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


def _next_comparison(session: Session, project: Project, annotator: Annotator) -> Comparison | None:
    taken = exists().where(
        Assignment.comparison_id == Comparison.id,
        Assignment.annotator_id == annotator.id,
        Assignment.state != AssignmentState.EXPIRED,
    )
    return session.scalar(
        select(Comparison)
        .where(Comparison.project_id == project.id, Comparison.open_slots > 0, ~taken)
        .order_by(Comparison.priority.desc(), Comparison.id.desc())
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _lease(
    session: Session,
    project: Project,
    comparison: Comparison,
    annotator: Annotator,
    *,
    now: datetime,
) -> Assignment:
    """A lease on a locked comparison.

    An expired one of the same annotator comes back to life with the order it had, because its page
    may still be open.
    """
    assignment = session.scalar(
        select(Assignment).where(
            Assignment.comparison_id == comparison.id,
            Assignment.annotator_id == annotator.id,
            Assignment.repeat == 0,
        )
    )
    if assignment is None:
        completions = session.scalars(
            select(ComparisonCompletion.completion_id)
            .where(ComparisonCompletion.comparison_id == comparison.id)
            .order_by(ComparisonCompletion.position)
        ).all()
        order = shown_order(comparison.id, annotator.id, completions)
        assignment = Assignment(
            project_id=comparison.project_id,
            comparison_id=comparison.id,
            annotator_id=annotator.id,
            kind=comparison.kind,
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
