"""Open slots: how many more judgments a comparison wants beyond those given and on lease.

`Comparison.open_slots` is always recomputed from the rows it summarises while the comparison is
locked, so it repairs itself; the queue reads it through an index.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, update
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


def lock_all(session: Session, which: ColumnElement[bool]) -> None:
    """Lock many comparisons, always in one order, so that two who do it cannot deadlock."""
    session.execute(select(Comparison.id).where(which).order_by(Comparison.id).with_for_update())


def recount(session: Session, which: ColumnElement[bool]) -> None:
    """Recompute the open slots of locked comparisons from their judgments and leases."""
    session.flush()
    target = (
        select(Project.overlap)
        .where(Project.id == Comparison.project_id)
        .correlate(Comparison)
        .scalar_subquery()
    )
    judged = (
        select(func.count(Judgment.annotator_id.distinct()))
        .where(Judgment.comparison_id == Comparison.id, Judgment.kind != "repeat")
        .correlate(Comparison)
        .scalar_subquery()
    )
    leased = (
        select(func.count())
        .where(
            Assignment.comparison_id == Comparison.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.kind != "repeat",
        )
        .correlate(Comparison)
        .scalar_subquery()
    )
    wanted = func.coalesce(Comparison.overlap, target) - judged - leased
    session.execute(
        update(Comparison)
        .where(which)
        .values(open_slots=case((wanted > 0, wanted), else_=0))
        .execution_options(synchronize_session=False)
    )


def release_expired(session: Session, project: Project, *, now: datetime) -> int:
    """End the project's leases whose time is over; gives their number.

    A lease that somebody else holds locked is left to them or to the next caller: whoever calls
    this may hold a comparison already, and must not wait for another one.
    """
    expired = session.scalars(
        select(Assignment)
        .join(Comparison, Comparison.id == Assignment.comparison_id)
        .where(
            Assignment.project_id == project.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.lease_expires_at <= now,
        )
        .with_for_update(skip_locked=True)
    ).all()
    for assignment in expired:
        assignment.state = AssignmentState.EXPIRED
    if expired:
        recount(session, Comparison.id.in_([a.comparison_id for a in expired]))
    return len(expired)
