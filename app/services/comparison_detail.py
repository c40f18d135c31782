"""One comparison with all that was said of it: judgments, flags, skips, adjudications."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models.accounts import Annotator
from app.models.judgments import Flag, Judgment, Skip, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, Project, Prompt
from app.services import adjudications, candidates
from app.services.candidates import CandidateView

UNDECIDED: dict[str, str] = {Verdict.TIE: "tie", Verdict.BOTH_BAD: "both bad", "split": "split"}


@dataclass(frozen=True, kw_only=True)
class CompletionView:
    id: UUID
    label: str
    text: str
    source: str | None


@dataclass(frozen=True, kw_only=True)
class JudgmentView:
    id: UUID
    annotator_name: str
    annotator_kind: str
    verdict_text: str
    strength: int | None
    rationale: str | None
    shown: str | None
    """Where the first completion stood; None for an imported judgment, where nobody knows."""
    received_at: datetime
    active_ms: int | None
    kind: str
    late: bool
    superseded: bool


@dataclass(frozen=True, kw_only=True)
class NoteView:
    """A flag or a skip: not a verdict, but a reason that somebody gave."""

    act: str
    annotator_name: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class DecisionView:
    """An adjudication."""

    reviewer_name: str
    outcome_text: str
    cause: str | None
    note: str | None
    shown: str
    blind: bool | None
    guideline_version: int | None
    adjudicated_at: datetime
    superseded: bool


@dataclass(frozen=True, kw_only=True)
class ComparisonDetail:
    id: UUID
    messages: list[dict[str, str]]
    completions: list[CompletionView]
    gold_answer: str | None
    """The known verdict of a gold comparison, as a judgment's is written."""
    priority: int
    overlap: int | None
    """Its own, where it has one."""
    restricted_to: str | None
    contested: bool
    may_be_adjudicated: bool
    """Not gold, and judged by somebody, but not by the reader."""
    decisions: list[DecisionView]
    """Newest first; all but the first are superseded."""
    candidates: list[CandidateView]
    judgments: list[JudgmentView]
    notes: list[NoteView]


def detail(
    session: Session, project: Project, comparison_id: UUID, *, reader: Annotator | None = None
) -> ComparisonDetail:
    """One comparison with every judgment it got, superseded ones too."""
    found = session.get(Comparison, comparison_id)
    if found is None or found.project_id != project.id:
        raise NotFound(f"There is no comparison {comparison_id} in {project.slug}.")
    completions = _completions(session, found.id)
    labels = {completion.id: completion.label for completion in completions}
    revised = set(
        session.scalars(
            select(Judgment.supersedes_id).where(
                Judgment.comparison_id == found.id, Judgment.supersedes_id.is_not(None)
            )
        )
    )
    rows = session.execute(
        select(Judgment, Annotator.name, Annotator.kind)
        .join(Annotator, Annotator.id == Judgment.annotator_id)
        .where(Judgment.comparison_id == found.id)
        .order_by(Judgment.received_at, Judgment.id)
    ).all()
    judged_by = {judgment.annotator_id for judgment, _, _ in rows}
    return ComparisonDetail(
        id=found.id,
        messages=session.get_one(Prompt, found.prompt_id).messages,
        completions=completions,
        gold_answer=_gold_answer(found),
        priority=found.priority,
        overlap=found.overlap,
        restricted_to=found.restricted_to,
        contested=found.contested,
        may_be_adjudicated=found.kind != "gold"
        and found.judged > 0
        and (reader is None or reader.id not in judged_by),
        decisions=_decisions(session, found.id, labels),
        candidates=candidates.list_of(session, found.id),
        judgments=[
            _judgment_view(judgment, name, kind, labels, judgment.id in revised)
            for judgment, name, kind in rows
        ],
        notes=_notes(session, found.id),
    )


def _gold_answer(comparison: Comparison) -> str | None:
    if comparison.gold_position is not None:
        return f"prefers {comparison.gold_position + 1}"
    return UNDECIDED[comparison.gold_verdict] if comparison.gold_verdict else None


def _shown(judgment: Judgment, labels: dict[UUID, str]) -> str | None:
    if judgment.assignment_id is None:
        return None
    place = "on top" if judgment.layout == "stacked" else "on the left"
    return f"{labels[UUID(hex=judgment.shown_order[0])]} {place}"


def _completions(session: Session, comparison_id: UUID) -> list[CompletionView]:
    rows = session.execute(
        select(ComparisonCompletion.position, Completion)
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id == comparison_id)
        .order_by(ComparisonCompletion.position)
    )
    return [
        CompletionView(id=c.id, label=str(position + 1), text=c.text, source=c.source)
        for position, c in rows
    ]


def _notes(session: Session, comparison_id: UUID) -> list[NoteView]:
    """Flags and skips of a comparison, oldest first."""
    notes = [
        NoteView(act=act, annotator_name=name, reason=reason, at=at)
        for act, table, time in (
            ("flagged", Flag, Flag.flagged_at),
            ("skipped", Skip, Skip.skipped_at),
        )
        for name, reason, at in session.execute(
            select(Annotator.name, table.reason, time)
            .join(Annotator, Annotator.id == table.annotator_id)
            .where(table.comparison_id == comparison_id)
        )
    ]
    return sorted(notes, key=lambda note: (note.at, note.annotator_name))


def _judgment_view(
    judgment: Judgment, name: str, kind: str, labels: dict[UUID, str], superseded: bool
) -> JudgmentView:
    if judgment.preferred_id is not None:
        verdict = f"prefers {labels[judgment.preferred_id]}"
    elif judgment.verdict == Verdict.RANKING:
        groups = [
            " = ".join(labels[UUID(hex=c)] for c in group) for group in judgment.ranking or []
        ]
        verdict = " > ".join(groups)
    else:
        verdict = UNDECIDED[judgment.verdict]
    return JudgmentView(
        id=judgment.id,
        annotator_name=name,
        annotator_kind=kind,
        verdict_text=verdict,
        strength=judgment.strength,
        rationale=judgment.rationale,
        shown=_shown(judgment, labels),
        received_at=judgment.received_at,
        active_ms=judgment.active_ms,
        kind=judgment.kind,
        late=judgment.late,
        superseded=superseded,
    )


def _decisions(
    session: Session, comparison_id: UUID, labels: dict[UUID, str]
) -> list[DecisionView]:
    return [
        DecisionView(
            reviewer_name=found.reviewer_name,
            outcome_text=f"prefers {labels[found.preferred_id]}"
            if found.preferred_id
            else UNDECIDED[found.outcome],
            cause=found.cause,
            note=found.note,
            shown=f"{labels[found.shown_order[0]]} on the left",
            blind=found.blind,
            guideline_version=found.guideline_version,
            adjudicated_at=found.adjudicated_at,
            superseded=found.superseded,
        )
        for found in adjudications.history(session, comparison_id)
    ]
