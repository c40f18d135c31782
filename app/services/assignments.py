"""Leases: a comparison is reserved for one annotator until a time (`queue.py` chooses it)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import Executable, Select, bindparam, literal_column, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import (
    Comparison,
    GuidelineVersion,
    Project,
    Prompt,
)
from app.prepared import Asked, run_all
from app.rules.sides import shown_order, side_label
from app.services import guidelines, projects, queue, slots
from app.services.queue import Choice, Turn
from app.upserts import insert_into

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
    """An assignment of an annotator in a project that is open to them; locks the annotator as
    `queue.taking_turn` does, and it."""
    return (
        select(*what)
        .join(Annotator, Annotator.id == Assignment.annotator_id)
        .join(Project, Project.id == Assignment.project_id)
        .where(
            Assignment.id == bindparam("assignment_id"),
            Annotator.id == bindparam("annotator_id"),
            projects.IS_OPEN,
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
        # Written out, so that PostgreSQL knows how few there are.
        Assignment.state == literal_column("'leased'"),
    )
    .order_by(Assignment.issued_at)
    .limit(queue.ONE)
    .with_for_update(skip_locked=True, of=Assignment)
)
_EXTEND = (
    update(Assignment)
    .where(Assignment.id == bindparam("assignment_id"))
    .values(lease_expires_at=bindparam("new_end"))
)


@cache
def _issue(dialect: str) -> Executable:
    """A new lease, or an earlier one of the same annotator again; gives what was there before."""
    insert = insert_into(dialect, Assignment)
    again = ("state", "guideline_version_id", "issued_at", "lease_expires_at")
    found: Executable = insert.on_conflict_do_update(
        index_elements=[Assignment.comparison_id, Assignment.annotator_id, Assignment.repeat],
        set_={name: insert.excluded[name] for name in again},
    ).returning(Assignment.id, Assignment.shown_order)
    return found


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
    session: Session,
    project: Project,
    annotator: Annotator,
    *,
    lease_seconds: int,
    now: datetime,
    last: bool = False,
) -> AssignmentView | None:
    """The annotator's live lease, or a new one; None when nothing is left for them. Raises
    GuidelineUnread where they have to read the current guideline first. `last` says that the
    transaction does nothing else after it."""
    turns, block, readings, expired, leased = run_all(
        session,
        *queue.taking_turn(project, annotator),
        # After the turn: a version may be published while another tab has it.
        guidelines.asking_whether_read(project, annotator),
        slots.expired_leases(project, now=now),
        Asked(_LIVE, {"annotator_id": annotator.id, "project_id": project.id}),
    )
    guidelines.require_read(project, readings)
    slots.end_leases(session, expired)
    # What ended a moment ago may be open again.
    turn = queue.turn_from(turns.one(), None if expired else block)
    end = now + timedelta(seconds=lease_seconds)
    live = leased.first()
    if live is not None and live.id not in {row.id for row in expired}:
        extend = Asked(_EXTEND, {"assignment_id": live.id, "new_end": end})
        _, found = run_all(session, extend, queue.reading_texts(live.comparison_id))
        texts = queue.texts_from(found)
        order = [UUID(hex=completion) for completion in live.shown_order]
        return _view(project, live.id, live.messages, order, texts, live.version, end)
    choice = queue.next_choice(session, project, annotator, turn, now=now)
    if choice is None:
        return None
    return _lease(session, project, choice, annotator, turn, now=now, end=end, last=last)


def _lease(
    session: Session,
    project: Project,
    choice: Choice,
    annotator: Annotator,
    turn: Turn,
    *,
    now: datetime,
    end: datetime,
    last: bool,
) -> AssignmentView:
    """A lease on a chosen comparison.

    An expired one of the same annotator comes back to life with the order it had, because its page
    may still be open.
    """
    completions = list(choice.texts)
    order = shown_order(choice.comparison_id, annotator.id, completions, repeat=choice.repeat)
    values = {
        "id": uuid4(),
        "project_id": project.id,
        "comparison_id": choice.comparison_id,
        "annotator_id": annotator.id,
        "repeat": choice.repeat,
        "kind": choice.kind,
        "state": AssignmentState.LEASED,
        "shown_order": [completion.hex for completion in order],
        "guideline_version_id": turn.guideline_id,
        "issued_at": now,
        "lease_expires_at": end,
    }
    # Planted work takes no slot. The statement is the same all the same: time must not tell.
    (issued,), *_ = run_all(
        session,
        Asked(_issue(session.get_bind().dialect.name), values),
        slots.recount_one(choice.locked_id),
        *queue.keeping(session, project, annotator, choice.place),
        last=last,
    )
    shown = [UUID(hex=completion) for completion in issued.shown_order]
    return _view(
        project, issued.id, choice.messages, shown, choice.texts, turn.guideline_version, end
    )


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

    A lease that ended does not come back by it: nobody takes the slot of planted work meanwhile, so
    an answer that depends on the slot would tell it from normal work. Raises Conflict then; a
    judgment is taken all the same. A page that nobody left or used for LONGEST_HOLD leases no
    longer holds its comparison.
    """
    assignment = get_for(session, annotator, assignment_id)
    latest = assignment.issued_at + LONGEST_HOLD * timedelta(seconds=lease_seconds)
    wanted = min(now + timedelta(seconds=lease_seconds), latest)
    if assignment.state != AssignmentState.LEASED or now >= latest:
        raise Conflict(
            f"This comparison is {assignment.state} and no longer reserved for you. "
            "A verdict that you send is kept; go on with the next one."
        )
    assignment.lease_expires_at = max(assignment.lease_expires_at, wanted)
    session.flush()
    return assignment.lease_expires_at


def get_for(session: Session, annotator: Annotator, assignment_id: UUID) -> Assignment:
    """The annotator's own assignment, locked; NotFound for anybody else's."""
    found: Assignment | None = session.scalar(
        _OWN, {"assignment_id": assignment_id, **projects.open_to(annotator)}
    )
    if found is None:
        raise not_found(assignment_id)
    return found


def asking_for(annotator: Annotator, assignment_id: UUID) -> Asked:
    """The same as a row, which is read in a third of the time; none for anybody else's."""
    return Asked(_OWN_ROW, {"assignment_id": assignment_id, **projects.open_to(annotator)})


def not_found(assignment_id: UUID) -> NotFound:
    return NotFound(f"There is no assignment {assignment_id} of yours. Ask for the next one.")
