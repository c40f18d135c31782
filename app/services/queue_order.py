"""The order in which a project's open comparisons are walked, as statements.

Most urgent first, then by id, which is random. Those that one group only may judge are ranges of
their own in the index, so nobody passes over what is not for them, and done ones are not in it.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Comparison
from app.models.tallies import QueuePosition

Statement = Select[*tuple[Any, ...]]

BLOCK = 32
"""Comparisons in a block. More shuffle better; fewer finish what was begun sooner."""
LOOK = 256
"""Among so many open comparisons those are looked for that an annotator passed and that are more
urgent than where they are. Who was faster than the others had most of them already."""
ANNOTATOR: BindParameter[UUID] = bindparam("annotator_id")
PROJECT: BindParameter[UUID] = bindparam("project_id")
# Written out, because a partial index serves only who asks in its own words: not for `> ?`.
_OPEN = Comparison.open_slots > literal_column("0")


def number(value: int) -> ColumnElement[int]:
    """Written out in LIMIT: PostgreSQL plans these statements once, and must know how few rows are
    wanted."""
    return literal_column(str(value))


def lanes(groups: int) -> tuple[ColumnElement[bool], ...]:
    """What somebody in so many groups may judge: a range of the index each."""
    of_groups = (
        Comparison.restricted_to == bindparam(f"group_{number}") for number in range(groups)
    )
    return Comparison.restricted_to.is_(None), *of_groups


def visible(groups: int) -> ColumnElement[bool]:
    return or_(*lanes(groups))


def values_of(groups: tuple[str, ...]) -> dict[str, str]:
    return {f"group_{number}": name for number, name in enumerate(groups)}


def had(comparison_id: Any) -> ColumnElement[bool]:
    """Whether the annotator judged or skipped it, or has it now."""
    return exists().where(
        Assignment.comparison_id == comparison_id,
        Assignment.annotator_id == ANNOTATOR,
        # Written out, so that PostgreSQL knows how few are left out.
        Assignment.state != literal_column(f"'{AssignmentState.EXPIRED}'"),
    )


_SAME = Comparison.priority == bindparam("priority")


class Part(Enum):
    """A part of the queue, as seen from an annotator's place."""

    MORE_URGENT = Comparison.priority > bindparam("priority")
    BLOCK = _SAME & Comparison.id.between(bindparam("block_end"), bindparam("block_start"))
    AFTER_IT = _SAME & (Comparison.id < bindparam("block_end"))
    LESS_URGENT = Comparison.priority < bindparam("priority")
    FROM_THE_TOP = true()


@cache
def open_comparisons(part: Part, groups: int, limit: int) -> Statement:
    """The first ones that the annotator has not had. Takes project_id, annotator_id, the groups
    (`values_of`) and what the part names."""
    if part is Part.MORE_URGENT:
        ranges = [_not_had(_range(lane, part.value, LOOK)) for lane in lanes(groups)]
    else:
        which = part.value & ~had(Comparison.id)
        ranges = [_range(lane, which, limit) for lane in lanes(groups)]
    if not groups:
        return ranges[0].limit(number(limit))
    merged = union_all(*(select(r.subquery()) for r in ranges)).subquery()
    return (
        select(merged.c.id, merged.c.priority)
        .order_by(merged.c.priority.desc(), merged.c.id.desc())
        .limit(number(limit))
    )


@cache
def look_ahead(groups: int, most: int) -> Statement:
    """For each of the first so many open comparisons whether the annotator had it."""
    ranges = (_range(lane, true(), most) for lane in lanes(groups))
    rows = union_all(*(select(r.subquery()) for r in ranges)).subquery()
    return select(had(rows.c.id).label("had")).select_from(rows).limit(number(most))


def _range(lane: ColumnElement[bool], which: ColumnElement[bool], limit: int) -> Statement:
    return (
        select(Comparison.id, Comparison.priority)
        .where(Comparison.project_id == PROJECT, _OPEN, lane, which)
        # All are equal in the first column; without it PostgreSQL would sort them.
        .order_by(Comparison.restricted_to.desc(), Comparison.priority.desc(), Comparison.id.desc())
        .limit(number(limit))
    )


def _not_had(rows: Statement) -> Statement:
    found = rows.subquery()
    return (
        select(found.c.id, found.c.priority)
        .where(~had(found.c.id))
        .order_by(found.c.priority.desc(), found.c.id.desc())
    )


def _at_place(column: Any) -> ColumnElement[Any]:
    """Read first, and once: in a join SQLite would ask it of every open comparison."""
    place = QueuePosition.project_id == PROJECT, QueuePosition.annotator_id == ANNOTATOR
    return select(column).where(*place).scalar_subquery()


BLOCK_OF_PLACE: Statement = (
    select(Comparison.id, Comparison.priority)
    .where(
        Comparison.project_id == PROJECT,
        _OPEN,
        Comparison.restricted_to.is_(None),
        Comparison.priority == _at_place(QueuePosition.priority),
        Comparison.id.between(
            _at_place(QueuePosition.block_end), _at_place(QueuePosition.block_start)
        ),
        ~had(Comparison.id),
    )
    .order_by(Comparison.id.desc())
    .limit(number(BLOCK))
)
"""What `Part.BLOCK` finds for who is in no group, before anybody knows where the annotator is."""

_other = aliased(Comparison)
MORE_URGENT_THAN_PLACE: ColumnElement[int | None] = (
    select(_other.priority)
    .where(
        _other.project_id == PROJECT,
        _other.open_slots > literal_column("0"),
        _other.restricted_to.is_(None),
        _other.priority > QueuePosition.priority,
    )
    # Not the highest priority of all: to find it, PostgreSQL walks over what was done since its
    # last vacuum.
    .order_by(_other.restricted_to.desc(), _other.priority.desc())
    .limit(number(1))
    .scalar_subquery()
)
"""For who is in no group: the priority of something open that is more urgent than their place."""
