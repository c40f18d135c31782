"""Open slots: how many more judgments a comparison wants beyond those given and on lease.

`Comparison.open_slots` is always recomputed from the comparison's target, its judgments and its
leases while the comparison is locked, so it repairs itself; the queue reads it through an index.
The locks leave keys alone (FOR NO KEY UPDATE): a row that only names a comparison never waits.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Update,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Comparison, Project
from app.prepared import Asked, Rows, run, run_all


class ComparisonRow(Protocol):
    """What a row of `comparisons` and the object of it have in common, as far as it is read."""

    @property
    def id(self) -> UUID: ...
    @property
    def project_id(self) -> UUID: ...
    @property
    def prompt_id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def overlap(self) -> int | None: ...
    @property
    def judged(self) -> int: ...
    @property
    def open_slots(self) -> int: ...


_ROW = (
    select(Comparison.__table__)
    .where(Comparison.id == bindparam("comparison_id"))
    .with_for_update(key_share=True)
)
_ROW_OF_ASSIGNMENT = (
    select(Comparison.__table__)
    .where(
        Comparison.id
        == select(Assignment.comparison_id)
        .where(
            Assignment.id == bindparam("assignment_id"),
            # A column that refers to a table has no type before that one is known.
            Assignment.annotator_id == bindparam("annotator_id", type_=Annotator.id.type),
        )
        .scalar_subquery()
    )
    .with_for_update(key_share=True, of=Comparison)
)
_LEASED = (
    select(func.count())
    .where(
        Assignment.comparison_id == Comparison.id,
        Assignment.state == AssignmentState.LEASED,
        Assignment.kind == "normal",
    )
    .correlate(Comparison)
    .scalar_subquery()
)
_EXPIRED = (
    select(Assignment.id, Assignment.comparison_id)
    .join(Comparison, Comparison.id == Assignment.comparison_id)
    .where(
        Assignment.project_id == bindparam("project_id"),
        # Written out for the partial index (see queue.py).
        Assignment.state == literal_column("'leased'"),
        Assignment.lease_expires_at <= bindparam("now", type_=Assignment.lease_expires_at.type),
    )
    .with_for_update(key_share=True, skip_locked=True)
)


def lock(session: Session, comparison_id: UUID) -> ComparisonRow:
    """The comparison's row, locked until the transaction ends."""
    row: Any = run(session, _ROW, comparison_id=comparison_id).one()
    found: ComparisonRow = row
    return found


def locking_compared_in(assignment_id: UUID, annotator_id: UUID) -> Asked:
    """Locks the comparison of the annotator's own assignment, and gives its row."""
    return Asked(_ROW_OF_ASSIGNMENT, {"assignment_id": assignment_id, "annotator_id": annotator_id})


def lock_all(session: Session, which: ColumnElement[bool]) -> Sequence[UUID]:
    """Lock many comparisons, always in one order, so that two who do it cannot deadlock; gives
    them."""
    return session.scalars(
        select(Comparison.id).where(which).order_by(Comparison.id).with_for_update(key_share=True)
    ).all()


def recount(session: Session, which: ColumnElement[bool]) -> None:
    """Recompute the open slots of locked comparisons. Of one that is not, PostgreSQL waits for who
    holds it, and then counts the leases of before."""
    session.flush()
    wanted = Comparison.target - Comparison.judged - _LEASED
    session.execute(
        update(Comparison)
        .where(which)
        .values(open_slots=case((wanted > 0, wanted), else_=0))
        .execution_options(synchronize_session=False)
    )


def recount_one(comparison_id: UUID, **columns: Any) -> Asked:
    """Recomputes the open slots of a locked comparison, and sets `columns` (`target` and `judged`
    may be among them) in the same statement."""
    values = {f"new_{name}": value for name, value in columns.items()}
    return Asked(_recount_one(tuple(columns)), {"comparison": comparison_id, **values})


@cache
def _recount_one(columns: tuple[str, ...]) -> Update:
    new: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in columns}
    target = new.get("target", Comparison.target)
    wanted = target - new.get("judged", Comparison.judged) - _LEASED
    return (
        update(Comparison)
        .where(Comparison.id == bindparam("comparison"))
        .values(open_slots=case((wanted > 0, wanted), else_=0), **new)
    )


def release_expired(session: Session, project: Project, *, now: datetime) -> int:
    """End the project's leases whose time is over; gives their number.

    A lease that somebody else holds locked is left to them or to the next caller: whoever calls
    this may hold a comparison already, and must not wait for another one.
    """
    expired = run_all(session, expired_leases(project, now=now))[0]
    end_leases(session, expired)
    return len(expired)


def expired_leases(project: Project, *, now: datetime) -> Asked:
    """Finds the project's leases whose time is over, and locks them."""
    return Asked(_EXPIRED, {"project_id": project.id, "now": now})


def end_leases(session: Session, expired: Rows) -> None:
    """End the leases that `expired_leases` found."""
    if expired:
        session.execute(
            update(Assignment)
            .where(Assignment.id.in_([row.id for row in expired]))
            .values(state=AssignmentState.EXPIRED)
        )
        recount(session, Comparison.id.in_([row.comparison_id for row in expired]))
