"""Taking judgments, skips and flags. What is taken is committed before it is acknowledged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput
from app.models.accounts import Annotator
from app.models.judgments import (
    Assignment,
    AssignmentState,
    Flag,
    Judgment,
    Preference,
    Skip,
    Verdict,
)
from app.models.statistics import PendingJudgment
from app.prepared import Asked, run_all
from app.rules.preferences import ids_of, preference_pairs
from app.rules.sides import completion_on_side, completions_ranked
from app.services import assignments, slots, tallies
from app.services.assignments import AssignmentRow
from app.services.slots import ComparisonRow

LONGEST_TEXT = 10_000
LONGEST_MS = 2**31 - 1
"""What a column of milliseconds holds: 24 days, and a page may be open for longer."""

_REPLAYED = select(*Judgment.__table__.c).where(
    Judgment.annotator_id == bindparam("annotator_id"),
    Judgment.idempotency_key == bindparam("key"),
)
_STORE, _PREFER, _AWAIT_FOLDING = insert(Judgment), insert(Preference), insert(PendingJudgment)
_FINISH = (
    update(Assignment)
    .where(Assignment.id == bindparam("assignment_id"))
    .values(state=bindparam("new_state"))
)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A verdict or a ranking, as the page or an API client sends it."""

    verdict: str | None = None
    """A side (A, B, …), `tie` or `both_bad`."""
    ranking: Sequence[Sequence[str]] | None = None
    """Instead of a verdict on more than two: sides, best group first; a group of several is a
    tie."""
    idempotency_key: str
    """Made by the client, one for each verdict it means to give; a retry sends the same."""
    strength: int | None = None
    rationale: str | None = None
    active_ms: int | None = None
    layout: str = "side_by_side"
    reason_codes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """A stored judgment."""

    values: dict[str, Any]
    """Its row."""
    replayed: bool
    """True where the same key had stored this judgment before."""

    @property
    def id(self) -> UUID:
        key: UUID = self.values["id"]
        return key

    @property
    def late(self) -> bool:
        return bool(self.values["late"])

    @property
    def judgment(self) -> Judgment:
        return Judgment(**self.values)


def submit(
    session: Session,
    annotator: Annotator,
    assignment_id: UUID,
    submission: Submission,
    *,
    now: datetime,
    last: bool = False,
) -> Submitted:
    """Store one judgment and its preference rows, once for each idempotency key.

    A judgment that comes after its lease has ended is kept and marked late. `last` says that the
    transaction does nothing else. Raises Conflict when the assignment has another judgment already
    or was skipped.
    """
    _check(submission)
    with_key = {"annotator_id": annotator.id, "key": submission.idempotency_key}
    own, replayed, compared = run_all(
        session,
        assignments.asking_for(annotator, assignment_id),
        Asked(_REPLAYED, with_key),
        slots.locking_compared_in(assignment_id, annotator.id),
    )
    if not own:
        raise assignments.not_found(assignment_id)
    assignment, earlier = own.one(), replayed.first()
    if earlier is not None:
        if earlier.assignment_id != assignment.id:
            raise Conflict("This idempotency key was used for another comparison; make a new one.")
        return Submitted(values=earlier._asdict(), replayed=True)
    _refuse_finished(assignment)
    comparison: ComparisonRow = compared.one()
    values = _values(assignment, submission, now=now)
    *_, votes = run_all(
        session,
        Asked(_STORE, values),
        *_following(values),
        _finishing(assignment, AssignmentState.JUDGED),
        tallies.votes_of(comparison, annotator.id),
    )
    run_all(session, *tallies.judgment_added(session, comparison, values["id"], votes), last=last)
    return Submitted(values=values, replayed=False)


def _following(values: Mapping[str, Any]) -> Iterator[Asked]:
    """What is stored beside a judgment's row: that statistics wait for it, and who beats whom."""
    common = {"judgment_id": values["id"], "comparison_id": values["comparison_id"]}
    yield Asked(_AWAIT_FOLDING, {**common, "project_id": values["project_id"]})
    order = [UUID(hex=completion) for completion in values["shown_order"]]
    ranking = ids_of(values["ranking"])
    for chosen, rejected in preference_pairs(order, values["preferred_id"], ranking):
        pair = {"chosen_id": chosen, "rejected_id": rejected, "strength": values["strength"]}
        yield Asked(_PREFER, {**common, **pair})


def _finishing(assignment: AssignmentRow, state: AssignmentState) -> Asked:
    return Asked(_FINISH, {"assignment_id": assignment.id, "new_state": state})


def skip(
    session: Session, annotator: Annotator, assignment_id: UUID, reason: str, *, now: datetime
) -> None:
    """Pass on a comparison; it goes to somebody else."""
    assignment = assignments.get_for(session, annotator, assignment_id)
    if assignment.state == AssignmentState.SKIPPED:
        return
    _refuse_finished(assignment)
    comparison = slots.lock(session, assignment.comparison_id)
    skipped = Skip(
        assignment_id=assignment.id,
        project_id=assignment.project_id,
        comparison_id=assignment.comparison_id,
        annotator_id=annotator.id,
        reason=_reason(reason, "skip"),
        skipped_at=now,
    )
    session.add(skipped)
    session.flush()
    run_all(
        session,
        _finishing(assignment, AssignmentState.SKIPPED),
        slots.recount_one(comparison.id),
    )
    tallies.skip_added(session, skipped)


def flag(
    session: Session, annotator: Annotator, assignment_id: UUID, reason: str, *, now: datetime
) -> None:
    """Say that something is wrong with a comparison, whatever its verdict."""
    assignment = assignments.get_for(session, annotator, assignment_id)
    session.add(
        Flag(
            project_id=assignment.project_id,
            comparison_id=assignment.comparison_id,
            annotator_id=annotator.id,
            reason=_reason(reason, "flag"),
            flagged_at=now,
        )
    )
    session.flush()


def _check(submission: Submission) -> None:
    if (submission.verdict is None) == (submission.ranking is None):
        found = "neither was" if submission.verdict is None else "both were"
        raise InvalidInput(f"A verdict or a ranking is expected, {found} found; send one of them.")
    if submission.ranking is not None and submission.strength is not None:
        raise InvalidInput("A ranking has no strength; leave the strength out.")
    if not 8 <= len(submission.idempotency_key) <= 100:
        raise InvalidInput(
            f"The idempotency key has {len(submission.idempotency_key)} characters; "
            "send 8 to 100, a random UUID for example."
        )
    if submission.strength is not None and submission.strength not in (1, 2, 3):
        raise InvalidInput(f"Strength is {submission.strength}; send 1, 2, 3 or none.")
    if submission.rationale is not None and len(submission.rationale) > LONGEST_TEXT:
        raise InvalidInput(
            f"The rationale has {len(submission.rationale)} characters; "
            f"shorten it to {LONGEST_TEXT}."
        )
    if submission.active_ms is not None and not 0 <= submission.active_ms <= LONGEST_MS:
        raise InvalidInput(f"Active time is {submission.active_ms} ms; send 0 to 2^31 - 1.")


def _reason(reason: str, act: str) -> str:
    text = reason.strip()
    if not text or len(text) > LONGEST_TEXT:
        raise InvalidInput(
            f"The reason for this {act} has {len(text)} characters; write 1 to {LONGEST_TEXT}."
        )
    return text


def _refuse_finished(assignment: AssignmentRow) -> None:
    if assignment.state in (AssignmentState.JUDGED, AssignmentState.SKIPPED):
        raise Conflict(
            f"You have {assignment.state} this comparison already, perhaps in another tab. "
            "What you sent then is kept; go on with the next one."
        )


def _order(assignment: AssignmentRow) -> list[UUID]:
    return [UUID(hex=completion) for completion in assignment.shown_order]


def _values(assignment: AssignmentRow, submission: Submission, *, now: datetime) -> dict[str, Any]:
    """The row of the judgment."""
    open_for = now - assignment.issued_at
    return {
        "id": uuid4(),
        "project_id": assignment.project_id,
        "comparison_id": assignment.comparison_id,
        "annotator_id": assignment.annotator_id,
        "assignment_id": assignment.id,
        **_said(submission, _order(assignment)),
        "rationale": (submission.rationale or "").strip() or None,
        "reason_codes": submission.reason_codes,
        "shown_order": assignment.shown_order,
        "layout": submission.layout,
        "guideline_version_id": assignment.guideline_version_id,
        "kind": assignment.kind,
        "issued_at": assignment.issued_at,
        "received_at": now,
        "active_ms": submission.active_ms,
        "wall_ms": min(max(0, round(open_for.total_seconds() * 1000)), LONGEST_MS),
        "late": assignment.state == AssignmentState.EXPIRED or now >= assignment.lease_expires_at,
        "idempotency_key": submission.idempotency_key,
    }


def _said(submission: Submission, order: Sequence[UUID]) -> dict[str, Any]:
    """The columns that say which completions are better."""
    said = {"verdict": submission.verdict, "preferred_id": None, "ranking": None, "strength": None}
    if submission.ranking is not None:
        ranked = completions_ranked(submission.ranking, order)
        ids = [[completion.hex for completion in group] for group in ranked]
        return {**said, "verdict": Verdict.RANKING, "ranking": ids}
    assert submission.verdict is not None, "a submission has a ranking or a verdict"
    if submission.verdict in (Verdict.TIE, Verdict.BOTH_BAD):
        return said
    preferred = completion_on_side(submission.verdict, order)
    return {
        **said,
        "verdict": Verdict.PREFERRED,
        "preferred_id": preferred,
        "strength": submission.strength,
    }
