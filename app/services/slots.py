"""Open slots: how many more judgments a comparison wants beyond those given and on lease.

`Comparison.open_slots` is always recomputed from the comparison's target, its judgments and its
leases while the comparison is locked, so it repairs itself; the queue reads it through an index.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from app.models.judgments import Assignment, AssignmentState
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


def recount(session: Session, which: ColumnElement[bool], **columns: Any) -> None:
    """Recompute the open slots of locked comparisons, and set `columns` (`target` and `judged`
    may be among them) in the same statement."""
    session.flush()
    leased = (
        select(func.count())
        .where(
            Assignment.comparison_id == Comparison.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.kind == "normal",
        )
        .correlate(Comparison)
        .scalar_subquery()
    )
    target = columns.get("target", Comparison.target)
    wanted = target - columns.get("judged", Comparison.judged) - leased
    session.execute(
        update(Comparison)
        .where(which)
        .values(open_slots=case((wanted > 0, wanted), else_=0), **columns)
        .execution_options(synchronize_session=False)
    )


def release_expired(session: Session, project: Project, *, now: datetime) -> int:
    """End the project's leases whose time is over; gives their number.

    A lease that somebody else holds locked is left to them or to the next caller: whoever calls
    this may hold a comparison already, and must not wait for another one.
    """
    expired = session.execute(
        select(Assignment.id, Assignment.comparison_id)
        .join(Comparison, Comparison.id == Assignment.comparison_id)
        .where(
            Assignment.project_id == project.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.lease_expires_at <= now,
        )
        .with_for_update(skip_locked=True)
    ).all()
    if expired:
        session.execute(
            update(Assignment)
            .where(Assignment.id.in_([row.id for row in expired]))
            .values(state=AssignmentState.EXPIRED)
        )
        recount(session, Comparison.id.in_([row.comparison_id for row in expired]))
    return len(expired)
