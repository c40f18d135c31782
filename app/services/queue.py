"""Which comparison an annotator gets next.

Everybody walks a project's open comparisons in one order (`queue_order.py`: most urgent first, then
by id, which is random), so that those begun are finished first. An annotator takes a block of them
at a time and works through it in a shuffle of their own. The place is kept (`QueuePosition`): what
lies behind it is not looked at again before the end is reached, so the next one costs the same in a
project of any size. Gold and repeats come where the project's policy plans them
(`rules/queue_policy.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, exists, func, literal_column, select, union_all
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
from app.patience import wait
from app.prepared import Asked, Rows, run, run_all
from app.rules.queue_policy import QueuePolicy, order_in_block, planned_kind, read_policy
from app.services.queue_order import (
    ANNOTATOR,
    BLOCK,
    BLOCK_OF_PLACE,
    MORE_URGENT_THAN_PLACE,
    PROJECT,
    Part,
    Statement,
    had,
    number,
    open_comparisons,
    values_of,
    visible,
)
from app.upserts import upserts

LOOK_FOR_GOLD = 16
"""Gold comparisons looked at, from the annotator's place among them on."""
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
    gold_after: UUID | None = None
    """The gold comparison that came last."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What an annotator's transaction begins with."""

    place: Place
    may_be_more_urgent: bool
    """Whether something open may be more urgent than that place."""
    block: list[UUID] | None
    """What is open of the block at that place; None where it was not looked for."""
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


ONE = number(1)
_SHOWN = (Comparison.id, Prompt.messages)
_NEWEST_GUIDELINE = (
    select(func.max(GuidelineVersion.version))
    .where(GuidelineVersion.project_id == PROJECT)
    .scalar_subquery()
)
_TURN = (
    select(
        QueuePosition.issued,
        QueuePosition.priority,
        QueuePosition.block_start,
        QueuePosition.block_end,
        QueuePosition.gold_after,
        Membership.groups,
        GuidelineVersion.id.label("guideline_id"),
        GuidelineVersion.version,
        MORE_URGENT_THAN_PLACE.label("more_urgent"),
    )
    .select_from(Annotator)
    .outerjoin(
        QueuePosition,
        (QueuePosition.annotator_id == Annotator.id) & (QueuePosition.project_id == PROJECT),
    )
    .outerjoin(
        Membership,
        (Membership.annotator_id == Annotator.id) & (Membership.project_id == PROJECT),
    )
    .outerjoin(
        GuidelineVersion,
        (GuidelineVersion.project_id == PROJECT) & (GuidelineVersion.version == _NEWEST_GUIDELINE),
    )
    .where(Annotator.id == ANNOTATOR)
    .with_for_update(key_share=True, of=Annotator)
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


@cache
def _gold(groups: int) -> Statement:
    """The next one that the annotator has not had. Everybody goes round them by id, each from where
    they are."""
    begin: BindParameter[UUID] = bindparam("gold_after")
    gold = (
        select(Comparison.id, Comparison.prompt_id)
        .where(
            Comparison.project_id == PROJECT,
            Comparison.kind == literal_column("'gold'"),
            visible(groups),
        )
        .order_by(Comparison.id)
        .limit(number(LOOK_FOR_GOLD))
    )
    rounds = (
        select(gold.where(which).subquery(), literal_column(turn).label("turn"))
        for turn, which in (("0", Comparison.id > begin), ("1", Comparison.id <= begin))
    )
    found = union_all(*rounds).subquery()
    return (
        select(found.c.id, Prompt.messages)
        .join(Prompt, Prompt.id == found.c.prompt_id)
        .where(~had(found.c.id))
        .order_by(found.c.turn, found.c.id)
        .limit(ONE)
    )


@cache
def _repeat(groups: int) -> Statement:
    return _REPEAT.where(visible(groups))


_REPEAT = (
    select(*_SHOWN)
    .join(Prompt, Prompt.id == Comparison.prompt_id)
    .join(Judgment, Judgment.comparison_id == Comparison.id)
    .where(
        Judgment.annotator_id == ANNOTATOR,
        Judgment.project_id == PROJECT,
        Judgment.received_at <= bindparam("latest"),
        Judgment.kind == "normal",
        Judgment.assignment_id.is_not(None),
        ~exists().where(
            Assignment.comparison_id == Judgment.comparison_id,
            Assignment.annotator_id == ANNOTATOR,
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


def taking_turn(project: Project, annotator: Annotator) -> tuple[Asked, Asked]:
    """One transaction of an annotator at a time: two tabs get one lease, and store one judgment.

    Taken before any other lock. Afterwards a transaction waits for its own assignment, then for
    that one's comparison, and takes everything else only where it is free, so none wait in a ring.
    """
    values = {"annotator_id": annotator.id, "project_id": project.id}
    return Asked(_TURN, values), Asked(BLOCK_OF_PLACE, values)


def turn_from(row: Any, block: Rows | None) -> Turn:
    """From what `taking_turn` gave; no block where it may have changed since."""
    groups = tuple(row.groups or ())
    return Turn(
        place=Place(
            issued=row.issued or 0,
            priority=row.priority,
            block_start=row.block_start,
            block_end=row.block_end,
            gold_after=row.gold_after,
            groups=groups,
        ),
        may_be_more_urgent=bool(groups) or row.more_urgent is not None,
        block=None if groups or block is None else [found.id for found in block],
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
    known = {
        "project_id": project.id,
        "annotator_id": annotator.id,
        **values_of(place.groups),
    }
    choice = _normal(session, annotator, turn, known)
    if choice is None or not policy.plants:
        return choice
    begin = place.gold_after or UUID(bytes=order_in_block(annotator.id, project.id)[:16])
    latest = now - timedelta(hours=policy.repeat_after_hours)
    golds, repeats = run_all(
        session,
        Asked(_gold(len(place.groups)), {**known, "gold_after": begin}),
        Asked(_repeat(len(place.groups)), {**known, "latest": latest}),
    )
    planted = {"gold": golds.first(), "repeat": repeats.first()}.get(kind)
    comparison_id = choice.comparison_id if planted is None else planted.id
    (found,) = run_all(session, reading_texts(comparison_id))
    if planted is None:
        return choice
    is_gold = kind == "gold"
    return Choice(
        comparison_id=comparison_id,
        locked_id=choice.comparison_id,
        messages=planted.messages,
        texts=texts_from(found),
        place=replace(choice.place, gold_after=comparison_id) if is_gold else choice.place,
        kind=kind,
        repeat=0 if is_gold else 1,
    )


def _normal(
    session: Session, annotator: Annotator, turn: Turn, known: dict[str, Any]
) -> Choice | None:
    """The next open comparison, locked."""
    for look in range(LOOKS):
        found_any = False
        for part in _parts(turn):
            place, block = _block(session, turn, part, known, is_first_look=look == 0)
            found_any = found_any or bool(block)
            for candidate in sorted(block, key=lambda key: order_in_block(annotator.id, key)):
                # Not there where somebody else holds it or took its last slot meanwhile.
                takens, texts = run_all(
                    session, Asked(_TAKE, {"comparison_id": candidate}), reading_texts(candidate)
                )
                taken = takens.first()
                if taken is not None:
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
        wait(LOOK_AGAIN_SECONDS)
    return None


def _block(
    session: Session, turn: Turn, part: Part, known: dict[str, Any], *, is_first_look: bool
) -> tuple[Place, list[UUID]]:
    """Comparisons of one priority that are open in this part of the queue, and the annotator's
    place once one of them is taken."""
    place = turn.place
    if part is Part.BLOCK and is_first_look and turn.block is not None:
        return place, turn.block
    rows = run(
        session,
        open_comparisons(part, len(place.groups), BLOCK),
        **known,
        priority=place.priority,
        block_start=place.block_start,
        block_end=place.block_end,
    )
    block = [row.id for row in rows if row.priority == rows[0].priority]
    if part is Part.BLOCK or not block:
        return place, block
    at = {"priority": rows[0].priority, "block_start": block[0], "block_end": block[-1]}
    return replace(place, **at), block


def _parts(turn: Turn) -> Iterator[Part]:
    """In the order in which they are searched."""
    if turn.place.priority is not None:
        if turn.may_be_more_urgent:
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
