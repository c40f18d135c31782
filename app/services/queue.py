"""Which comparison an annotator gets next.

Everybody walks a project's open comparisons in one order (most urgent first, then by id, which is
random), so that those begun are finished first. An annotator takes a block of them at a time and
works through it in a shuffle of their own. The place is kept (`QueuePosition`): what lies behind it
is not looked at again before the end is reached, so the next one costs the same in a project of any
size. Gold and repeats come where the project's policy plans them (`rules/queue_policy.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, select
from sqlalchemy.orm import Session

from app.db import upsert
from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import Comparison, Project
from app.models.tallies import QueuePosition
from app.rules.queue_policy import QueuePolicy, order_in_block, planned_kind, read_policy

BLOCK = 32
"""Comparisons in a block. More shuffle better; fewer finish what was begun sooner."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an annotator is in the queue of a project, and which restricted comparisons they may
    judge."""

    issued: int = 0
    priority: int | None = None
    block_start: UUID | None = None
    block_end: UUID | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A comparison, locked, and what kind of work it is to be."""

    comparison: Comparison
    kind: str
    repeat: int = 0


def policy_of(project: Project) -> QueuePolicy:
    return read_policy(project.overlap, project.settings.get("queue", {}))


def take_turn(session: Session, project: Project, annotator: Annotator) -> Place:
    """One transaction of an annotator at a time: two tabs get one lease, and store one judgment.

    Taken before any other lock. Afterwards a transaction waits for its own assignment, then for
    that one's comparison, and takes everything else only where it is free, so none wait in a ring.
    """
    row = session.execute(
        select(
            QueuePosition.issued,
            QueuePosition.priority,
            QueuePosition.block_start,
            QueuePosition.block_end,
            Membership.groups,
        )
        .select_from(Annotator)
        .outerjoin(
            QueuePosition,
            (QueuePosition.annotator_id == Annotator.id) & (QueuePosition.project_id == project.id),
        )
        .outerjoin(
            Membership,
            (Membership.annotator_id == Annotator.id) & (Membership.project_id == project.id),
        )
        .where(Annotator.id == annotator.id)
        .with_for_update(key_share=True, of=Annotator)
    ).one()
    return Place(
        issued=row.issued or 0,
        priority=row.priority,
        block_start=row.block_start,
        block_end=row.block_end,
        groups=tuple(row.groups or ()),
    )


def next_choice(
    session: Session, project: Project, annotator: Annotator, place: Place, *, now: datetime
) -> Choice | None:
    """What this annotator is to judge next; None when nothing is left for them.

    Planned gold or a planned repeat that does not exist gives way to normal work. The statements
    are the same whatever is planned, so that the time taken tells nothing.
    """
    policy = policy_of(project)
    kind = planned_kind(policy, project.id, annotator.id, place.issued)
    normal, place = _normal(session, project, annotator, place)
    planted = None
    if policy.plants:
        gold = _gold(session, project, annotator, place)
        repeat = _repeat(session, project, annotator, policy, now=now)
        planted = {"gold": gold, "repeat": repeat}.get(kind)
    if normal is None:
        return None
    _keep(session, project, annotator, place)
    if planted is None:
        return Choice(normal, "normal")
    return Choice(planted, kind, repeat=1 if kind == "repeat" else 0)


def _normal(
    session: Session, project: Project, annotator: Annotator, place: Place
) -> tuple[Comparison | None, Place]:
    """The next open comparison, locked, and the annotator's place with it."""
    mine = exists().where(
        Assignment.comparison_id == Comparison.id,
        Assignment.annotator_id == annotator.id,
        Assignment.state != AssignmentState.EXPIRED,
    )
    for part, is_new_block in _parts(place):
        rows = session.execute(
            select(Comparison.id, Comparison.priority)
            .where(
                Comparison.project_id == project.id,
                Comparison.open_slots > 0,
                *part,
                is_visible(place.groups),
                ~mine,
            )
            .order_by(Comparison.priority.desc(), Comparison.id.desc())
            .limit(BLOCK)
        ).all()
        block = [row.id for row in rows if row.priority == rows[0].priority]
        for candidate in sorted(block, key=lambda key: order_in_block(annotator.id, key)):
            comparison = _lock_open(session, candidate)
            if comparison is not None:
                if is_new_block:
                    place = replace(
                        place, priority=rows[0].priority, block_start=block[0], block_end=block[-1]
                    )
                return comparison, place
    return None, place


def _parts(place: Place) -> Iterator[tuple[tuple[ColumnElement[bool], ...], bool]]:
    """The parts of the queue in the order in which they are searched, and whether a part begins a
    new block: what is more urgent, the rest of the block, what follows it, and from the top."""
    if place.block_start is not None and place.block_end is not None:
        same = Comparison.priority == place.priority
        yield (Comparison.priority > place.priority,), True
        yield (same, Comparison.id.between(place.block_end, place.block_start)), False
        yield (same, Comparison.id < place.block_end), True
        yield (Comparison.priority < place.priority,), True
    yield (), True


def is_visible(groups: Sequence[str]) -> ColumnElement[bool]:
    """That a comparison may be judged by a member of these groups."""
    unrestricted = Comparison.restricted_to.is_(None)
    return unrestricted | Comparison.restricted_to.in_(groups) if groups else unrestricted


def groups_of(session: Session, project: Project, annotator: Annotator) -> tuple[str, ...]:
    membership = session.get(Membership, (project.id, annotator.id))
    return () if membership is None else tuple(membership.groups)


def _lock_open(session: Session, comparison_id: UUID) -> Comparison | None:
    """The comparison, unless somebody else holds it or took its last slot meanwhile."""
    return session.scalar(
        select(Comparison)
        .where(Comparison.id == comparison_id, Comparison.open_slots > 0)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _gold(
    session: Session, project: Project, annotator: Annotator, place: Place
) -> Comparison | None:
    """A gold comparison that the annotator has not had; everyone goes round them from elsewhere."""
    had = exists().where(
        Assignment.comparison_id == Comparison.id,
        Assignment.annotator_id == annotator.id,
        Assignment.state != AssignmentState.EXPIRED,
    )
    begin = UUID(bytes=order_in_block(annotator.id, project.id)[:16])
    return session.scalar(
        select(Comparison)
        .where(
            Comparison.project_id == project.id,
            Comparison.kind == "gold",
            is_visible(place.groups),
            ~had,
        )
        .order_by(case((Comparison.id > begin, 0), else_=1), Comparison.id)
        .limit(1)
    )


def _repeat(
    session: Session,
    project: Project,
    annotator: Annotator,
    policy: QueuePolicy,
    *,
    now: datetime,
) -> Comparison | None:
    """What the annotator judged last among that which lies far enough back and was not repeated."""
    repeated = exists().where(
        Assignment.comparison_id == Judgment.comparison_id,
        Assignment.annotator_id == annotator.id,
        Assignment.repeat > 0,
        Assignment.state != AssignmentState.EXPIRED,
    )
    return session.scalar(
        select(Comparison)
        .join(Judgment, Judgment.comparison_id == Comparison.id)
        .where(
            Judgment.annotator_id == annotator.id,
            Judgment.project_id == project.id,
            Judgment.received_at <= now - timedelta(hours=policy.repeat_after_hours),
            Judgment.kind == "normal",
            Judgment.assignment_id.is_not(None),
            ~repeated,
        )
        .order_by(Judgment.received_at.desc())
        .limit(1)
    )


def _keep(session: Session, project: Project, annotator: Annotator, place: Place) -> None:
    values = {key: value for key, value in asdict(place).items() if key not in ("groups", "issued")}
    row = {"project_id": project.id, "annotator_id": annotator.id, "issued": 1, **values}
    upsert(session, QueuePosition, [row], add=["issued"], replace=list(values))
