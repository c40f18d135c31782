"""Open slots: how many more judgments a comparison wants beyond those given and on lease.

`Comparison.open_slots` is always recomputed from the rows it summarises while the comparison is
locked, so it repairs itself; the queue reads it through an index.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import Comparison, Project


def lock(session: Session, comparison_id: UUID) -> Comparison:
    """The comparison, locked until the transaction ends."""
    return session.scalars(
        select(Comparison)
        .where(Comparison.id == comparison_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def refresh(session: Session, comparison: Comparison) -> None:
    """Recompute the open slots of a locked comparison from its judgments and leases."""
    session.flush()
    project = session.get_one(Project, comparison.project_id)
    judged = session.scalar(
        select(func.count(Judgment.annotator_id.distinct())).where(
            Judgment.comparison_id == comparison.id, Judgment.kind != "repeat"
        )
    )
    leased = session.scalar(
        select(func.count()).where(
            Assignment.comparison_id == comparison.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.kind != "repeat",
        )
    )
    target = comparison.overlap or project.overlap
    comparison.open_slots = max(0, target - (judged or 0) - (leased or 0))
    session.flush()


def release_expired(session: Session, project: Project, *, now: datetime) -> int:
    """End the project's leases whose time is over; gives their number."""
    expired = session.scalars(
        select(Assignment)
        .where(
            Assignment.project_id == project.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.lease_expires_at <= now,
        )
        .with_for_update(skip_locked=True)
    ).all()
    for assignment in expired:
        comparison = lock(session, assignment.comparison_id)
        assignment.state = AssignmentState.EXPIRED
        refresh(session, comparison)
    return len(expired)
