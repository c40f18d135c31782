"""Which comparison an annotator gets next.

Everybody walks a project's open comparisons in one order (most urgent first, then by id, which is
random), so that those begun are finished first. An annotator takes a block of them at a time and
works through it in a shuffle of their own. The place is kept (`QueuePosition`): what lies behind it
is not looked at again before the end is reached, so the next one costs the same in a project of any
size. Gold and repeats come where the project's policy plans them (`rules/queue_policy.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import Session

from app.db import upsert
from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import Comparison, GuidelineVersion, Project, Prompt
from app.models.tallies import QueuePosition
from app.prepared import run
from app.rules.queue_policy import QueuePolicy, order_in_block, planned_kind, read_policy

BLOCK = 32
"""Comparisons in a block. More shuffle better; fewer finish what was begun sooner."""
LOOKS, LOOK_AGAIN_SECONDS = 5, 0.02
"""How often to look again where others hold every comparison that is left at this moment."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an annotator is in the queue of a project, and which restricted comparisons they may
    judge."""

    issued: int = 0
    priority: int | None = None
    block_start: UUID | None = None
    block_end: UUID | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What an annotator's transaction begins with."""

    place: Place
    top_priority: int | None
    """The highest priority of any open comparison."""
    guideline_id: UUID | None
    guideline_version: int | None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A comparison and what kind of work it is to be."""

    comparison_id: UUID
    locked_id: UUID
    """The comparison that is locked: the same one, unless the work is planted."""
    messages: list[dict[str, str]]
    kind: str = "normal"
    repeat: int = 0


_ANNOTATOR: BindParameter[UUID] = bindparam("annotator_id")
_PROJECT: BindParameter[UUID] = bindparam("project_id")
# Written out, because a partial index serves only who asks in its own words: not for `> ?`.
_OPEN = Comparison.open_slots > literal_column("0")
_UNRESTRICTED = Comparison.restricted_to.is_(None)
_VISIBLE = _UNRESTRICTED | Comparison.restricted_to.in_(bindparam("groups", expanding=True))
_HAD = exists().where(
    Assignment.comparison_id == Comparison.id,
    Assignment.annotator_id == _ANNOTATOR,
    Assignment.state != AssignmentState.EXPIRED,
)
_SHOWN = (Comparison.id, Prompt.messages)
_TOP_PRIORITY = (
    select(Comparison.priority)
    .where(Comparison.project_id == _PROJECT, _OPEN)
    .order_by(Comparison.priority.desc())
    .limit(1)
    .scalar_subquery()
)
_NEWEST_GUIDELINE = (
    select(func.max(GuidelineVersion.version))
    .where(GuidelineVersion.project_id == _PROJECT)
    .scalar_subquery()
)
_TURN = (
    select(
        QueuePosition.issued,
        QueuePosition.priority,
        QueuePosition.block_start,
        QueuePosition.block_end,
        Membership.groups,
        GuidelineVersion.id.label("guideline_id"),
        GuidelineVersion.version,
        _TOP_PRIORITY.label("top_priority"),
    )
    .select_from(Annotator)
    .outerjoin(
        QueuePosition,
        (QueuePosition.annotator_id == Annotator.id) & (QueuePosition.project_id == _PROJECT),
    )
    .outerjoin(
        Membership,
        (Membership.annotator_id == Annotator.id) & (Membership.project_id == _PROJECT),
    )
    .outerjoin(
        GuidelineVersion,
        (GuidelineVersion.project_id == _PROJECT) & (GuidelineVersion.version == _NEWEST_GUIDELINE),
    )
    .where(Annotator.id == _ANNOTATOR)
    .with_for_update(key_share=True, of=Annotator)
)


Statement = Select[*tuple[Any, ...]]
ByGroups = tuple[Statement, Statement]
"""A statement for those who are in no group, and one for those who are; by bool(groups)."""


def by_groups(build: Callable[[ColumnElement[bool]], Statement]) -> ByGroups:
    return build(_UNRESTRICTED), build(_VISIBLE)


def open_to_annotator(visible: ColumnElement[bool]) -> Statement:
    """Takes project_id, annotator_id and groups."""
    return select(Comparison.id, Comparison.priority).where(
        Comparison.project_id == _PROJECT, _OPEN, visible, ~_HAD
    )


def _open_comparisons(part: ColumnElement[bool]) -> ByGroups:
    return by_groups(
        lambda visible: (
            open_to_annotator(visible)
            .where(part)
            .order_by(Comparison.priority.desc(), Comparison.id.desc())
            .limit(bindparam("block"))
        )
    )


_SAME = Comparison.priority == bindparam("priority")
_MORE_URGENT = _open_comparisons(Comparison.priority > bindparam("priority"))
_BLOCK = _open_comparisons(
    _SAME & Comparison.id.between(bindparam("block_end"), bindparam("block_start"))
)
_AFTER_IT = _open_comparisons(_SAME & (Comparison.id < bindparam("block_end")))
_LESS_URGENT = _open_comparisons(Comparison.priority < bindparam("priority"))
_FROM_THE_TOP = _open_comparisons(true())
_TAKE = (
    select(*_SHOWN)
    .join(Prompt, Prompt.id == Comparison.prompt_id)
    .where(Comparison.id == bindparam("comparison_id"), Comparison.open_slots > 0)
    .with_for_update(key_share=True, skip_locked=True, of=Comparison)
)
_GOLD = by_groups(
    lambda visible: (
        select(*_SHOWN)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
        .where(
            Comparison.project_id == _PROJECT,
            Comparison.kind == literal_column("'gold'"),
            visible,
            ~_HAD,
        )
        # Everybody goes round them, each from another one.
        .order_by(case((Comparison.id > bindparam("begin"), 0), else_=1), Comparison.id)
        .limit(1)
    )
)
_REPEAT = (
    select(*_SHOWN)
    .join(Prompt, Prompt.id == Comparison.prompt_id)
    .join(Judgment, Judgment.comparison_id == Comparison.id)
    .where(
        Judgment.annotator_id == _ANNOTATOR,
        Judgment.project_id == _PROJECT,
        Judgment.received_at <= bindparam("latest"),
        Judgment.kind == "normal",
        Judgment.assignment_id.is_not(None),
        ~exists().where(
            Assignment.comparison_id == Judgment.comparison_id,
            Assignment.annotator_id == _ANNOTATOR,
            Assignment.repeat > 0,
            Assignment.state != AssignmentState.EXPIRED,
        ),
    )
    # The one just old enough: what came before it had its turn.
    .order_by(Judgment.received_at.desc())
    .limit(1)
)


def policy_of(project: Project) -> QueuePolicy:
    return read_policy(project.overlap, project.settings.get("queue", {}))


_POLICY = select(Project.overlap, Project.settings).where(Project.id == bindparam("project_id"))


def current_policy(session: Session, project_id: UUID) -> QueuePolicy:
    """As it is stored now: who waited for a comparison may have loaded the project before the
    policy changed."""
    row = run(session, _POLICY, project_id=project_id).one()
    return read_policy(row.overlap, row.settings.get("queue", {}))


def take_turn(session: Session, project: Project, annotator: Annotator) -> Turn:
    """One transaction of an annotator at a time: two tabs get one lease, and store one judgment.

    Taken before any other lock. Afterwards a transaction waits for its own assignment, then for
    that one's comparison, and takes everything else only where it is free, so none wait in a ring.
    """
    row = run(session, _TURN, annotator_id=annotator.id, project_id=project.id).one()
    return Turn(
        place=Place(
            issued=row.issued or 0,
            priority=row.priority,
            block_start=row.block_start,
            block_end=row.block_end,
            groups=tuple(row.groups or ()),
        ),
        top_priority=row.top_priority,
        guideline_id=row.guideline_id,
        guideline_version=row.version,
    )


def next_choice(
    session: Session, project: Project, annotator: Annotator, turn: Turn, *, now: datetime
) -> Choice | None:
    """What this annotator is to judge next; None when nothing is left for them.

    Planned gold or a planned repeat that does not exist gives way to normal work. The statements
    are the same whatever is planned, so that the time taken tells nothing.
    """
    policy, place = policy_of(project), turn.place
    kind = planned_kind(policy, project.id, annotator.id, place.issued)
    known = {"project_id": project.id, "annotator_id": annotator.id, "groups": place.groups}
    choice, place = _normal(session, annotator, turn, known)
    if choice is None:
        return None
    _keep(session, project, annotator, place)
    if not policy.plants:
        return choice
    begin = UUID(bytes=order_in_block(annotator.id, project.id)[:16])
    latest = now - timedelta(hours=policy.repeat_after_hours)
    gold = run(session, _GOLD[bool(place.groups)], **known, begin=begin).first()
    repeat = run(session, _REPEAT, **known, latest=latest).first()
    planted = {"gold": gold, "repeat": repeat}.get(kind)
    if planted is None:
        return choice
    return Choice(
        comparison_id=planted.id,
        locked_id=choice.comparison_id,
        messages=planted.messages,
        kind=kind,
        repeat=1 if kind == "repeat" else 0,
    )


def _normal(
    session: Session, annotator: Annotator, turn: Turn, known: dict[str, Any]
) -> tuple[Choice | None, Place]:
    """The next open comparison, locked, and the annotator's place with it."""
    place = turn.place
    for _ in range(LOOKS):
        found_any = False
        for statement, is_new_block in _parts(turn):
            rows = run(
                session,
                statement[bool(place.groups)],
                **known,
                block=BLOCK,
                priority=place.priority,
                block_start=place.block_start,
                block_end=place.block_end,
            ).all()
            block = [row.id for row in rows if row.priority == rows[0].priority]
            found_any = found_any or bool(block)
            for candidate in sorted(block, key=lambda key: order_in_block(annotator.id, key)):
                # Not there where somebody else holds it or took its last slot meanwhile.
                taken = run(session, _TAKE, comparison_id=candidate).first()
                if taken is not None:
                    if is_new_block:
                        place = replace(
                            place,
                            priority=rows[0].priority,
                            block_start=block[0],
                            block_end=block[-1],
                        )
                    return (
                        Choice(comparison_id=taken.id, locked_id=taken.id, messages=taken.messages),
                        place,
                    )
        if not found_any:
            break
        # Others hold all that is left, for as long as it takes to lease or to judge it.
        time.sleep(LOOK_AGAIN_SECONDS)
    return None, place


def _parts(turn: Turn) -> Iterator[tuple[ByGroups, bool]]:
    """The parts of the queue in the order in which they are searched, and whether a part begins a
    new block."""
    if turn.place.priority is not None:
        if turn.top_priority is not None and turn.top_priority > turn.place.priority:
            yield _MORE_URGENT, True
        yield _BLOCK, False
        yield _AFTER_IT, True
        yield _LESS_URGENT, True
    yield _FROM_THE_TOP, True


def _keep(session: Session, project: Project, annotator: Annotator, place: Place) -> None:
    values = {key: value for key, value in asdict(place).items() if key not in ("groups", "issued")}
    row = {"project_id": project.id, "annotator_id": annotator.id, "issued": 1, **values}
    upsert(session, QueuePosition, [row], add=("issued",), replace=tuple(values))
