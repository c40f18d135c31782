"""Leases: a comparison is reserved for one annotator until a time (`queue.py` chooses it)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
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
from app.prepared import run
from app.rules.sides import shown_order, side_label
from app.services import queue, slots
from app.services.queue import Choice, Turn

LONGEST_HOLD = 12
"""A lease is extended to at most this many times its length."""


class AssignmentRow(Protocol):
    """What a row of `assignments` and the object of it have in common."""

    @property
    def id(self) -> UUID: ...
    @property
    def project_id(self) -> UUID: ...
    @property
    def comparison_id(self) -> UUID: ...
    @property
    def annotator_id(self) -> UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def shown_order(self) -> list[str]: ...
    @property
    def guideline_version_id(self) -> UUID | None: ...
    @property
    def issued_at(self) -> datetime: ...
    @property
    def lease_expires_at(self) -> datetime: ...


def _own(*what: Any) -> Select[Any]:
    """An assignment of an annotator; locks the annotator as `queue.take_turn` does, and it."""
    return (
        select(*what)
        .join(Annotator, Annotator.id == Assignment.annotator_id)
        .where(
            Assignment.id == bindparam("assignment_id"), Annotator.id == bindparam("annotator_id")
        )
        .with_for_update(key_share=True, of=(Annotator, Assignment))
        .execution_options(populate_existing=True)
    )


_OWN, _OWN_ROW = _own(Assignment), _own(*Assignment.__table__.c)
_FIELDS = (
    Assignment.id,
    Assignment.comparison_id,
    Assignment.shown_order,
    Assignment.guideline_version_id,
)
_LIVE = (
    select(*_FIELDS, Prompt.messages, GuidelineVersion.version)
    .join(Comparison, Comparison.id == Assignment.comparison_id)
    .join(Prompt, Prompt.id == Comparison.prompt_id)
    .outerjoin(GuidelineVersion, GuidelineVersion.id == Assignment.guideline_version_id)
    .where(
        Assignment.annotator_id == bindparam("annotator_id"),
        Assignment.project_id == bindparam("project_id"),
        Assignment.state == AssignmentState.LEASED,
    )
    .order_by(Assignment.issued_at)
    .limit(1)
    .with_for_update(skip_locked=True, of=Assignment)
)
_HAD_BEFORE = select(*_FIELDS).where(
    Assignment.comparison_id == bindparam("comparison_id"),
    Assignment.annotator_id == bindparam("annotator_id"),
    Assignment.repeat == bindparam("repeat"),
)
_COMPLETIONS = (
    select(Completion.id, Completion.text)
    .join(ComparisonCompletion, ComparisonCompletion.completion_id == Completion.id)
    .where(ComparisonCompletion.comparison_id == bindparam("comparison_id"))
    .order_by(ComparisonCompletion.position)
)
_EXTEND = (
    update(Assignment)
    .where(Assignment.id == bindparam("assignment_id"))
    .values(lease_expires_at=bindparam("new_end"))
)
_ISSUE = insert(Assignment)
_ISSUE_AGAIN = (
    update(Assignment)
    .where(Assignment.id == bindparam("assignment_id"))
    .values(
        state=AssignmentState.LEASED,
        guideline_version_id=bindparam("new_guideline"),
        issued_at=bindparam("new_issue"),
        lease_expires_at=bindparam("new_end"),
    )
)


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
    turn = queue.take_turn(session, project, annotator)
    slots.release_expired(session, project, now=now)
    end = now + timedelta(seconds=lease_seconds)
    live = run(session, _LIVE, annotator_id=annotator.id, project_id=project.id).first()
    if live is not None:
        run(session, _EXTEND, assignment_id=live.id, new_end=end)
        texts = _texts(session, live.comparison_id)
        order = [UUID(hex=completion) for completion in live.shown_order]
        return _view(project, live.id, live.messages, order, texts, live.version, end)
    choice = queue.next_choice(session, project, annotator, turn, now=now)
    if choice is None:
        return None
    return _lease(session, project, choice, annotator, turn, now=now, end=end)


def _lease(
    session: Session,
    project: Project,
    choice: Choice,
    annotator: Annotator,
    turn: Turn,
    *,
    now: datetime,
    end: datetime,
) -> AssignmentView:
    """A lease on a chosen comparison.

    An expired one of the same annotator comes back to life with the order it had, because its page
    may still be open.
    """
    of_annotator = {
        "comparison_id": choice.comparison_id,
        "annotator_id": annotator.id,
        "repeat": choice.repeat,
    }
    texts = _texts(session, choice.comparison_id)
    before = run(session, _HAD_BEFORE, **of_annotator).first()
    if before is None:
        key = uuid4()
        order = shown_order(choice.comparison_id, annotator.id, list(texts), repeat=choice.repeat)
        run(
            session,
            _ISSUE,
            id=key,
            project_id=project.id,
            **of_annotator,
            kind=choice.kind,
            state=AssignmentState.LEASED,
            shown_order=[completion.hex for completion in order],
            guideline_version_id=turn.guideline_id,
            issued_at=now,
            lease_expires_at=end,
        )
    else:
        key, order = before.id, [UUID(hex=completion) for completion in before.shown_order]
        again = {"new_guideline": turn.guideline_id, "new_issue": now, "new_end": end}
        run(session, _ISSUE_AGAIN, assignment_id=key, **again)
    # Planted work takes no slot. The statement is the same all the same: time must not tell.
    slots.recount_one(session, choice.locked_id)
    return _view(project, key, choice.messages, order, texts, turn.guideline_version, end)


def _texts(session: Session, comparison_id: UUID) -> dict[UUID, str]:
    """By completion, in the canonical order."""
    rows = run(session, _COMPLETIONS, comparison_id=comparison_id)
    return {row.id: row.text for row in rows}


def _view(
    project: Project,
    assignment_id: UUID,
    messages: list[dict[str, str]],
    order: list[UUID],
    texts: dict[UUID, str],
    guideline_version: int | None,
    lease_expires_at: datetime,
) -> AssignmentView:
    return AssignmentView(
        id=assignment_id,
        project_slug=project.slug,
        question=project.question,
        messages=messages,
        sides=[Side(label=side_label(i), text=texts[c]) for i, c in enumerate(order)],
        guideline_version=guideline_version,
        lease_expires_at=lease_expires_at,
    )


def heartbeat(
    session: Session,
    annotator: Annotator,
    assignment_id: UUID,
    *,
    lease_seconds: int,
    now: datetime,
) -> datetime:
    """Extend a lease while its page is in front of the annotator; gives its new end.

    An ended lease comes back to life where nobody else took the slot. Raises Conflict where it
    cannot be extended; a judgment is taken all the same. A page that nobody left or used for
    LONGEST_HOLD leases no longer holds its comparison.
    """
    assignment = get_for(session, annotator, assignment_id)
    latest = assignment.issued_at + LONGEST_HOLD * timedelta(seconds=lease_seconds)
    if assignment.state == AssignmentState.EXPIRED and now < latest:
        comparison = slots.lock(session, assignment.comparison_id)
        if assignment.kind != "normal" or comparison.open_slots > 0:
            assignment.state = AssignmentState.LEASED
            session.flush()
            slots.recount_one(session, comparison.id)
    if assignment.state != AssignmentState.LEASED or now >= latest:
        raise Conflict(
            f"This comparison is {assignment.state} and no longer reserved for you. "
            "A verdict that you send is kept; go on with the next one."
        )
    wanted = min(now + timedelta(seconds=lease_seconds), latest)
    assignment.lease_expires_at = max(assignment.lease_expires_at, wanted)
    session.flush()
    return assignment.lease_expires_at


def get_for(session: Session, annotator: Annotator, assignment_id: UUID) -> Assignment:
    """The annotator's own assignment, locked; NotFound for anybody else's."""
    found: Assignment | None = session.scalar(
        _OWN, {"assignment_id": assignment_id, "annotator_id": annotator.id}
    )
    if found is None:
        raise _not_found(assignment_id)
    return found


def row_for(session: Session, annotator: Annotator, assignment_id: UUID) -> AssignmentRow:
    """The same as a row, which is read in a third of the time."""
    row: Any = run(
        session, _OWN_ROW, assignment_id=assignment_id, annotator_id=annotator.id
    ).one_or_none()
    if row is None:
        raise _not_found(assignment_id)
    found: AssignmentRow = row
    return found


def _not_found(assignment_id: UUID) -> NotFound:
    return NotFound(f"There is no assignment {assignment_id} of yours. Ask for the next one.")
