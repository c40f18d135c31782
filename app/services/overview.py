"""What an admin sees of a project: counts, comparisons with their judgments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState, Flag, Judgment, Skip, Verdict
from app.models.projects import (
    Comparison,
    ComparisonCompletion,
    Completion,
    Demonstration,
    Project,
    Prompt,
)
from app.services.current import clamp_page, is_current

EXCERPT = 160


@dataclass(frozen=True, kw_only=True)
class Overview:
    prompts: int
    completions: int
    demonstrations: int
    comparisons: int
    finished_comparisons: int
    judgments: int
    target_judgments: int
    annotators: int
    skips: int
    flags: int
    verdicts: dict[str, int]
    judgments_by_day: list[tuple[str, int]]
    """(ISO date in UTC, judgments received), the last 30 days that have any."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    id: UUID
    excerpt: str
    responses: list[str]
    """Their beginnings, in the stored order."""
    judgments: int
    verdicts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ComparisonsPage:
    rows: list[ComparisonRow]
    page: int
    pages: int
    total: int


@dataclass(frozen=True, kw_only=True)
class CompletionView:
    id: UUID
    label: str
    text: str
    source: str | None


@dataclass(frozen=True, kw_only=True)
class JudgmentView:
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
class ComparisonDetail:
    id: UUID
    messages: list[dict[str, str]]
    completions: list[CompletionView]
    judgments: list[JudgmentView]
    notes: list[NoteView]


def for_project(session: Session, project: Project) -> Overview:
    in_prompts = Prompt.project_id == project.id
    judged = (Judgment.project_id == project.id, is_current())

    def count(query: Select[int]) -> int:
        return session.scalar(query) or 0

    verdicts = session.execute(
        select(Judgment.verdict, func.count()).where(*judged).group_by(Judgment.verdict)
    )
    day = func.date(Judgment.received_at)
    by_day = session.execute(
        select(day, func.count()).where(*judged).group_by(day).order_by(day.desc()).limit(30)
    )
    comparisons = select(func.count(Comparison.id)).where(Comparison.project_id == project.id)
    target = func.sum(func.coalesce(Comparison.overlap, project.overlap))
    by_verdict = dict(verdicts.all())
    return Overview(
        prompts=count(select(func.count(Prompt.id)).where(in_prompts)),
        completions=count(select(func.count(Completion.id)).join(Prompt).where(in_prompts)),
        demonstrations=count(
            select(func.count(Demonstration.id))
            .join(Prompt, Prompt.id == Demonstration.prompt_id)
            .where(in_prompts)
        ),
        comparisons=count(comparisons),
        finished_comparisons=count(
            comparisons.where(
                Comparison.open_slots == 0,
                exists().where(Judgment.comparison_id == Comparison.id),
                ~exists().where(
                    Assignment.comparison_id == Comparison.id,
                    Assignment.state == AssignmentState.LEASED,
                ),
            )
        ),
        judgments=sum(by_verdict.values()),
        target_judgments=count(select(target).where(Comparison.project_id == project.id)),
        annotators=count(select(func.count(Judgment.annotator_id.distinct())).where(*judged)),
        skips=count(select(func.count(Skip.id)).where(Skip.project_id == project.id)),
        flags=count(select(func.count(Flag.id)).where(Flag.project_id == project.id)),
        verdicts=by_verdict,
        judgments_by_day=[(str(date), n) for date, n in by_day][::-1],
    )


def comparisons(
    session: Session, project: Project, *, page: int = 1, per_page: int = 25, show: str = "all"
) -> ComparisonsPage:
    """One page of comparisons, in the queue's order.

    show: `all`, `judged` (any judgment), `open` (wants more), `contested` (two different verdicts
    or two different preferred completions), `flagged`.
    """
    query = select(Comparison).where(Comparison.project_id == project.id)
    has_judgment = exists().where(Judgment.comparison_id == Comparison.id)
    if show == "judged":
        query = query.where(has_judgment)
    elif show == "open":
        query = query.where(Comparison.open_slots > 0)
    elif show == "flagged":
        query = query.where(exists().where(Flag.comparison_id == Comparison.id))
    elif show == "contested":
        contested = (
            select(Judgment.comparison_id)
            .where(Judgment.project_id == project.id, is_current())
            .group_by(Judgment.comparison_id)
            .having(
                (func.min(Judgment.verdict) != func.max(Judgment.verdict))
                | (func.count(Judgment.preferred_id.distinct()) > 1)
            )
        )
        query = query.where(Comparison.id.in_(contested))
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    page, pages = clamp_page(page, total, per_page)
    found = session.scalars(
        query.order_by(Comparison.priority.desc(), Comparison.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    return ComparisonsPage(rows=_rows(session, found), page=page, pages=pages, total=total)


def comparison(session: Session, project: Project, comparison_id: UUID) -> ComparisonDetail:
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
    )
    return ComparisonDetail(
        id=found.id,
        messages=session.get_one(Prompt, found.prompt_id).messages,
        completions=completions,
        judgments=[
            _judgment_view(judgment, name, kind, labels, judgment.id in revised)
            for judgment, name, kind in rows
        ],
        notes=_notes(session, found.id),
    )


def _shown(judgment: Judgment, labels: dict[UUID, str]) -> str | None:
    if judgment.assignment_id is None:
        return None
    place = "on top" if judgment.layout == "stacked" else "on the left"
    return f"{labels[UUID(hex=judgment.shown_order[0])]} {place}"


def _rows(session: Session, comparisons: Sequence[Comparison]) -> list[ComparisonRow]:
    ids = [c.id for c in comparisons]
    positions: dict[tuple[UUID, UUID], int] = {}
    responses: dict[UUID, list[str]] = {comparison_id: [] for comparison_id in ids}
    for member, text in session.execute(
        select(ComparisonCompletion, func.substr(Completion.text, 1, 2 * EXCERPT))
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(ids))
        .order_by(ComparisonCompletion.comparison_id, ComparisonCompletion.position)
    ):
        positions[member.comparison_id, member.completion_id] = member.position
        responses[member.comparison_id].append(_excerpt(text))
    verdicts: dict[UUID, dict[str, int]] = {comparison_id: {} for comparison_id in ids}
    for comparison_id, verdict, preferred, n in session.execute(
        select(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id, func.count())
        .where(Judgment.comparison_id.in_(ids), is_current())
        .group_by(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id)
    ):
        label = str(positions[comparison_id, preferred] + 1) if preferred else verdict
        verdicts[comparison_id][label] = n
    prompts = {
        prompt.id: prompt
        for prompt in session.scalars(
            select(Prompt).where(Prompt.id.in_([c.prompt_id for c in comparisons]))
        )
    }
    return [
        ComparisonRow(
            id=c.id,
            excerpt=_excerpt(prompts[c.prompt_id].messages[-1]["content"]),
            responses=responses[c.id],
            judgments=sum(verdicts[c.id].values()),
            verdicts=dict(sorted(verdicts[c.id].items())),
        )
        for c in comparisons
    ]


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"


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
        verdict = "tie" if judgment.verdict == Verdict.TIE else "both bad"
    return JudgmentView(
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
