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
from enum import Enum
from functools import cache
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

from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Project,
    Prompt,
)
from app.models.tallies import QueuePosition
from app.prepared import Asked, Rows, run, run_all
from app.rules.queue_policy import QueuePolicy, order_in_block, planned_kind, read_policy
from app.upserts import upserts

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
    texts: dict[UUID, str]
    """By completion, in the canonical order."""
    place: Place
    """Where the annotator is with it, to be kept (`keeping`)."""
    kind: str = "normal"
    repeat: int = 0


ONE: ColumnElement[int] = literal_column("1")
"""Numbers of rows are written out: PostgreSQL plans these statements once, and must know how few
are wanted."""
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
    .limit(ONE)
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


_SAME = Comparison.priority == bindparam("priority")


class Part(Enum):
    """A part of the queue, as seen from an annotator's place."""

    MORE_URGENT = Comparison.priority > bindparam("priority")
    BLOCK = _SAME & Comparison.id.between(bindparam("block_end"), bindparam("block_start"))
    AFTER_IT = _SAME & (Comparison.id < bindparam("block_end"))
    LESS_URGENT = Comparison.priority < bindparam("priority")
    FROM_THE_TOP = true()


@cache
def _open_comparisons(part: Part, limit: int) -> ByGroups:
    return by_groups(
        lambda visible: (
            open_to_annotator(visible)
            .where(part.value)
            .order_by(Comparison.priority.desc(), Comparison.id.desc())
            .limit(literal_column(str(limit)))
        )
    )


_TAKE = (
    select(*_SHOWN)
    .join(Prompt, Prompt.id == Comparison.prompt_id)
    .where(Comparison.id == bindparam("comparison_id"), Comparison.open_slots > 0)
    .with_for_update(key_share=True, skip_locked=True, of=Comparison)
)
_COMPLETIONS = (
    select(Completion.id, Completion.text)
    .join(ComparisonCompletion, ComparisonCompletion.completion_id == Completion.id)
    .where(ComparisonCompletion.comparison_id == bindparam("comparison_id"))
    .order_by(ComparisonCompletion.position)
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
        .limit(ONE)
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
    .limit(ONE)
)


def policy_of(project: Project) -> QueuePolicy:
    return read_policy(project.overlap, project.settings.get("queue", {}))


def taking_turn(project: Project, annotator: Annotator) -> Asked:
    """One transaction of an annotator at a time: two tabs get one lease, and store one judgment.

    Taken before any other lock. Afterwards a transaction waits for its own assignment, then for
    that one's comparison, and takes everything else only where it is free, so none wait in a ring.
    """
    return Asked(_TURN, {"annotator_id": annotator.id, "project_id": project.id})


def turn_from(row: Any) -> Turn:
    """`row` is what `taking_turn` gave."""
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
    choice = _normal(session, annotator, turn, known)
    if choice is None or not policy.plants:
        return choice
    begin = UUID(bytes=order_in_block(annotator.id, project.id)[:16])
    latest = now - timedelta(hours=policy.repeat_after_hours)
    golds, repeats = run_all(
        session,
        Asked(_GOLD[bool(place.groups)], {**known, "begin": begin}),
        Asked(_REPEAT, {**known, "latest": latest}),
    )
    planted = {"gold": golds.first(), "repeat": repeats.first()}.get(kind)
    comparison_id = choice.comparison_id if planted is None else planted.id
    (found,) = run_all(session, reading_texts(comparison_id))
    if planted is None:
        return choice
    return Choice(
        comparison_id=comparison_id,
        locked_id=choice.comparison_id,
        messages=planted.messages,
        texts=texts_from(found),
        place=choice.place,
        kind=kind,
        repeat=1 if kind == "repeat" else 0,
    )


def _normal(
    session: Session, annotator: Annotator, turn: Turn, known: dict[str, Any]
) -> Choice | None:
    """The next open comparison, locked."""
    place = turn.place
    for _ in range(LOOKS):
        found_any = False
        for part in _parts(turn):
            rows = run(
                session,
                _open_comparisons(part, BLOCK)[bool(place.groups)],
                **known,
                priority=place.priority,
                block_start=place.block_start,
                block_end=place.block_end,
            ).all()
            block = [row.id for row in rows if row.priority == rows[0].priority]
            found_any = found_any or bool(block)
            for candidate in sorted(block, key=lambda key: order_in_block(annotator.id, key)):
                # Not there where somebody else holds it or took its last slot meanwhile.
                takens, texts = run_all(
                    session, Asked(_TAKE, {"comparison_id": candidate}), reading_texts(candidate)
                )
                taken = takens.first()
                if taken is not None:
                    if part is not Part.BLOCK:
                        place = replace(
                            place,
                            priority=rows[0].priority,
                            block_start=block[0],
                            block_end=block[-1],
                        )
                    return Choice(
                        comparison_id=taken.id,
                        locked_id=taken.id,
                        messages=taken.messages,
                        texts=texts_from(texts),
                        place=place,
                    )
        if not found_any:
            break
        # Others hold all that is left, for as long as it takes to lease or to judge it.
        time.sleep(LOOK_AGAIN_SECONDS)
    return None


def _parts(turn: Turn) -> Iterator[Part]:
    """In the order in which they are searched."""
    if turn.place.priority is not None:
        if turn.top_priority is not None and turn.top_priority > turn.place.priority:
            yield Part.MORE_URGENT
        yield Part.BLOCK
        yield Part.AFTER_IT
        yield Part.LESS_URGENT
    yield Part.FROM_THE_TOP


def reading_texts(comparison_id: UUID) -> Asked:
    return Asked(_COMPLETIONS, {"comparison_id": comparison_id})


def texts_from(rows: Rows) -> dict[UUID, str]:
    """What `reading_texts` gave, by completion, in the canonical order."""
    return {row.id: row.text for row in rows}


def keeping(session: Session, project: Project, annotator: Annotator, place: Place) -> list[Asked]:
    """Keeps an annotator's place, with one lease more."""
    values = {key: value for key, value in asdict(place).items() if key not in ("groups", "issued")}
    row = {"project_id": project.id, "annotator_id": annotator.id, "issued": 1, **values}
    return upserts(session, QueuePosition, [row], add=("issued",), replace=tuple(values))
