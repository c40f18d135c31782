"""Blind adjudication: a reviewer decides a comparison without seeing who said what.

Nobody adjudicates what they judged themselves. Who has seen the judgments may, but the decision
says that it is not blind. A comparison has one current adjudication; deciding
it anew supersedes the one before, and nothing is overwritten.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.errors import Conflict, InvalidInput, NotFound
from app.models.accounts import Annotator
from app.models.adjudications import Adjudication, Cause, Outcome
from app.models.judgments import Judgment
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    GuidelineVersion,
    Project,
    Prompt,
)
from app.rules.sides import completion_on_side, shown_order, side_label
from app.services import audit, judgment_readings, slots
from app.services.audit import Action
from app.services.current import is_current as is_current_judgment

LONGEST_NOTE = 10_000


@dataclass(frozen=True, kw_only=True)
class Side:
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class BlindView:
    """What a reviewer sees before they decide: no source, no vote, no name, no reason."""

    comparison_id: UUID
    question: str
    messages: list[dict[str, str]]
    sides: list[Side]
    revises: UUID | None
    """The adjudication that a decision takes the place of."""
    revises_whose: str | None
    revises_at: datetime | None
    seen_at: datetime | None
    """When the reviewer saw the judgments: a decision is then not blind."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a reviewer sends."""

    outcome: str
    """A side (A, B, …), `tie`, `both_bad` or `split`."""
    cause: str | None = None
    note: str | None = None
    revises: UUID | None = None
    """The current adjudication as the reviewer's page knew it."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """An adjudication as lists show it."""

    comparison_id: UUID
    outcome: str
    preferred_id: UUID | None
    cause: str | None
    blind: bool | None


@dataclass(frozen=True, kw_only=True)
class AdjudicationView:
    reviewer_name: str
    outcome: str
    preferred_id: UUID | None
    cause: str | None
    note: str | None
    shown_order: list[UUID]
    blind: bool | None
    guideline_version: int | None
    adjudicated_at: datetime
    superseded: bool


@dataclass(frozen=True, kw_only=True)
class CauseRow:
    """How many current adjudications name a cause."""

    cause: str | None
    total: int
    by_version: dict[int | None, int]


def is_current() -> ColumnElement[bool]:
    """Adjudications that no later one supersedes."""
    revision = aliased(Adjudication)
    return ~exists().where(revision.supersedes_id == Adjudication.id)


def blind(
    session: Session, project: Project, reviewer: Annotator, comparison_id: UUID
) -> BlindView:
    """The comparison as this reviewer is to see it. Raises Conflict where they may not decide."""
    comparison = _to_decide(session, project, reviewer, comparison_id)
    texts = _texts(session, comparison_id)
    current = _current(session, comparison_id)
    order = shown_order(comparison_id, reviewer.id, list(texts))
    return BlindView(
        comparison_id=comparison_id,
        question=project.question,
        messages=session.get_one(Prompt, comparison.prompt_id).messages,
        sides=[Side(label=side_label(i), text=texts[c]) for i, c in enumerate(order)],
        revises=current.id if current else None,
        revises_whose=session.get_one(Annotator, current.reviewer_id).name if current else None,
        revises_at=current.adjudicated_at if current else None,
        seen_at=judgment_readings.seen(session, reviewer, [comparison_id]).get(comparison_id),
    )


def adjudicate(
    session: Session,
    project: Project,
    reviewer: Annotator,
    comparison_id: UUID,
    decision: Decision,
    *,
    now: datetime,
) -> Adjudication:
    """Store a decision; the same one sent twice is stored once. Raises Conflict where the reviewer
    may not decide, or somebody decided since their page was made."""
    _check(decision)
    _to_decide(session, project, reviewer, comparison_id)
    slots.lock(session, comparison_id)
    order = shown_order(comparison_id, reviewer.id, list(_texts(session, comparison_id)))
    undecided = decision.outcome in (Outcome.TIE, Outcome.BOTH_BAD, Outcome.SPLIT)
    wanted = Adjudication(
        project_id=project.id,
        comparison_id=comparison_id,
        reviewer_id=reviewer.id,
        outcome=decision.outcome if undecided else Outcome.PREFERRED,
        preferred_id=None if undecided else completion_on_side(decision.outcome, order),
        cause=decision.cause or None,
        note=(decision.note or "").strip() or None,
        shown_order=[completion.hex for completion in order],
        guideline_version_id=_version_followed(session, comparison_id),
        blind=comparison_id not in judgment_readings.seen(session, reviewer, [comparison_id]),
        adjudicated_at=now,
        supersedes_id=decision.revises,
    )
    current = _current(session, comparison_id)
    if current is not None and _says_the_same(current, wanted):
        return current
    if (current.id if current else None) != decision.revises:
        raise Conflict(
            "Somebody adjudicated this comparison since your page was made, so yours was not "
            "stored; look at theirs, and revise it if you still disagree."
        )
    session.add(wanted)
    session.flush()
    audit.record(
        session,
        by=reviewer,
        action=Action.ADJUDICATED,
        subject=f"project {project.slug}",
        details={"comparison": str(comparison_id), "revises": decision.revises is not None},
        now=now,
    )
    return wanted


def decided(session: Session, comparisons: Iterable[UUID]) -> dict[UUID, Decided]:
    """The current adjudication of each of some comparisons that has one."""
    rows = session.scalars(
        select(Adjudication).where(Adjudication.comparison_id.in_(comparisons), is_current())
    )
    return {
        row.comparison_id: Decided(
            comparison_id=row.comparison_id,
            outcome=row.outcome,
            preferred_id=row.preferred_id,
            cause=row.cause,
            blind=row.blind,
        )
        for row in rows
    }


def history(session: Session, comparison_id: UUID) -> list[AdjudicationView]:
    """All adjudications of a comparison, newest first."""
    rows = session.execute(
        select(Adjudication, Annotator.name, GuidelineVersion.version, is_current())
        .join(Annotator, Annotator.id == Adjudication.reviewer_id)
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Adjudication.guideline_version_id)
        .where(Adjudication.comparison_id == comparison_id)
        .order_by(Adjudication.adjudicated_at.desc(), Adjudication.id)
    )
    return [
        AdjudicationView(
            reviewer_name=name,
            outcome=row.outcome,
            preferred_id=row.preferred_id,
            cause=row.cause,
            note=row.note,
            shown_order=[UUID(hex=completion) for completion in row.shown_order],
            blind=row.blind,
            guideline_version=version,
            adjudicated_at=row.adjudicated_at,
            superseded=not current,
        )
        for row, name, version, current in rows
    ]


def count_contested(session: Session, project: Project) -> int:
    """Comparisons that annotators differ on and that have an adjudication."""
    current = (
        select(func.count(Adjudication.id))
        .join(Comparison, Comparison.id == Adjudication.comparison_id)
        .where(Adjudication.project_id == project.id, is_current(), Comparison.contested)
    )
    return session.scalar(current) or 0


def outcomes(session: Session, project: Project) -> dict[str, int]:
    """Current adjudications by outcome, most first."""
    n = func.count()
    rows = session.execute(
        select(Adjudication.outcome, n)
        .where(Adjudication.project_id == project.id, is_current())
        .group_by(Adjudication.outcome)
        .order_by(n.desc(), Adjudication.outcome)
    )
    return dict(rows.all())


def causes(session: Session, project: Project) -> list[CauseRow]:
    """Current adjudications by cause, most first, and by the guideline version of the judgments."""
    found: dict[str | None, dict[int | None, int]] = {}
    for cause, version, n in session.execute(
        select(Adjudication.cause, GuidelineVersion.version, func.count())
        .outerjoin(GuidelineVersion, GuidelineVersion.id == Adjudication.guideline_version_id)
        .where(Adjudication.project_id == project.id, is_current())
        .group_by(Adjudication.cause, GuidelineVersion.version)
    ):
        found.setdefault(cause, {})[version] = n
    rows = [
        CauseRow(cause=cause, total=sum(by_version.values()), by_version=by_version)
        for cause, by_version in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.total, row.cause or "~"))


def _check(decision: Decision) -> None:
    if decision.cause and decision.cause not in list(Cause):
        raise InvalidInput(
            f"The cause is {decision.cause!r}; expected {', '.join(Cause)}, or none."
        )
    if decision.note is not None and len(decision.note) > LONGEST_NOTE:
        raise InvalidInput(
            f"The note has {len(decision.note)} characters; shorten it to {LONGEST_NOTE}."
        )


def _to_decide(
    session: Session, project: Project, reviewer: Annotator, comparison_id: UUID
) -> Comparison:
    comparison = session.get(Comparison, comparison_id)
    if comparison is None or comparison.project_id != project.id:
        raise NotFound(f"There is no comparison {comparison_id} in {project.slug}.")
    if comparison.kind == "gold":
        raise Conflict("This comparison has a known answer, so there is nothing to adjudicate.")
    if comparison.judged == 0:
        raise Conflict("Nobody has judged this comparison yet, so there is nothing to adjudicate.")
    own = exists().where(
        Judgment.comparison_id == comparison_id, Judgment.annotator_id == reviewer.id
    )
    if session.scalar(select(own)):
        raise Conflict("You judged this comparison yourself; another reviewer has to decide it.")
    return comparison


def _texts(session: Session, comparison_id: UUID) -> dict[UUID, str]:
    """In canonical order."""
    rows = session.execute(
        select(Completion.id, Completion.text)
        .join(ComparisonCompletion, ComparisonCompletion.completion_id == Completion.id)
        .where(ComparisonCompletion.comparison_id == comparison_id)
        .order_by(ComparisonCompletion.position)
    )
    return dict(rows.all())


def _current(session: Session, comparison_id: UUID) -> Adjudication | None:
    return session.scalar(
        select(Adjudication).where(Adjudication.comparison_id == comparison_id, is_current())
    )


def _version_followed(session: Session, comparison_id: UUID) -> UUID | None:
    """The newest guideline version that the comparison's current judgments followed."""
    return session.scalar(
        select(GuidelineVersion.id)
        .join(Judgment, Judgment.guideline_version_id == GuidelineVersion.id)
        .where(Judgment.comparison_id == comparison_id, is_current_judgment())
        .order_by(GuidelineVersion.version.desc())
        .limit(1)
    )


def _says_the_same(stored: Adjudication, wanted: Adjudication) -> bool:
    said = ("reviewer_id", "outcome", "preferred_id", "cause", "note", "supersedes_id")
    return all(getattr(stored, name) == getattr(wanted, name) for name in said)
