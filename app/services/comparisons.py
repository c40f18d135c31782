"""Lists of a project's comparisons, and one comparison with every judgment it got."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, Uuid, column, func, select, text
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models.accounts import Annotator
from app.models.judgments import Flag, Judgment, Skip, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, Project, Prompt
from app.models.tallies import ProjectContent
from app.services.current import clamp_page, is_current

T = TypeVar("T")
EXCERPT = 160
UNDECIDED: dict[str, str] = {Verdict.TIE: "tie", Verdict.BOTH_BAD: "both bad"}
INDEXED = {
    "all": ("ix_comparisons_project", None),
    "open": ("ix_comparisons_queue", "open_slots > 0"),
    "judged": ("ix_comparisons_judged", "judged > 0"),
    "contested": ("ix_comparisons_contested", "contested"),
    "gold": ("ix_comparisons_gold", "kind = 'gold'"),
}
"""Lists with an index of their own, and its condition in the words of `models/projects.py`: a
database reads a partial index only where a query says the same."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    id: UUID
    excerpt: str
    is_gold: bool
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
    gold_answer: str | None
    """The known verdict of a gold comparison, as a judgment's is written."""
    priority: int
    overlap: int | None
    """Its own, where it has one."""
    restricted_to: str | None
    judgments: list[JudgmentView]
    notes: list[NoteView]


def count(session: Session, project: Project, show: str) -> int:
    """How many comparisons a list holds: no row is read, only what an index knows."""
    if show == "all":
        content = session.get(ProjectContent, project.id)
        return content.comparisons if content else 0
    if show == "flagged":
        flagged = select(func.count(Flag.comparison_id.distinct()))
        return session.scalar(flagged.where(Flag.project_id == project.id)) or 0
    return session.scalar(_indexed(session, project, show, func.count())) or 0


def page_of(
    session: Session, project: Project, *, page: int = 1, per_page: int = 25, show: str = "all"
) -> ComparisonsPage:
    """One page of comparisons, in the queue's order; what was flagged last comes first.

    show: `all`, `judged` (any judgment), `open` (wants more), `contested` (two different verdicts
    or two different preferred completions), `gold`, `flagged`.
    """
    total = count(session, project, show)
    page, pages = clamp_page(page, total, per_page)
    start = (page - 1) * per_page
    stop = min(start + per_page, total)
    find = _flagged if show == "flagged" else _in_order
    return ComparisonsPage(
        rows=_rows(session, find(session, project, show, start, stop, total)),
        page=page,
        pages=pages,
        total=total,
    )


def _flagged(
    session: Session, project: Project, _show: str, start: int, stop: int, _total: int
) -> Sequence[UUID]:
    listed = select(Flag.comparison_id).where(Flag.project_id == project.id)
    return session.scalars(
        listed.group_by(Flag.comparison_id)
        .order_by(func.max(Flag.flagged_at).desc(), Flag.comparison_id)
        .limit(stop - start)
        .offset(start)
    ).all()


def _in_order(
    session: Session, project: Project, show: str, start: int, stop: int, total: int
) -> Sequence[UUID]:
    """The ids alone, which are all in the list's index, read from its nearer end: a late page skips
    over entries, not over rows."""
    listed = _indexed(session, project, show, column("id", Uuid)).limit(stop - start)
    priority, key = column("priority", Integer), column("id", Uuid)
    if start <= total / 2:
        forwards = listed.order_by(priority.desc(), key.desc()).offset(start)
        return session.scalars(forwards).all()
    backwards = listed.order_by(priority, key).offset(total - stop)
    return session.scalars(backwards).all()[::-1]


def _indexed(
    session: Session, project: Project, show: str, selected: ColumnElement[T]
) -> Select[T]:
    """A query of the list's index. SQLite must be told to use it: it takes the columns of the
    index's own condition for something that only the rows know."""
    index, condition = INDEXED[show]
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    table = text(f"comparisons INDEXED BY {index}" if is_sqlite else "comparisons")
    listed = select(selected).select_from(table).where(column("project_id", Uuid) == project.id)
    return listed if condition is None else listed.where(text(condition))


def detail(session: Session, project: Project, comparison_id: UUID) -> ComparisonDetail:
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
        gold_answer=_gold_answer(found),
        priority=found.priority,
        overlap=found.overlap,
        restricted_to=found.restricted_to,
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


def _rows(session: Session, ids: Sequence[UUID]) -> list[ComparisonRow]:
    positions: dict[tuple[UUID, UUID], int] = {}
    responses: dict[UUID, list[str]] = {comparison_id: [] for comparison_id in ids}
    for member, beginning in session.execute(
        select(ComparisonCompletion, func.substr(Completion.text, 1, 2 * EXCERPT))
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(ids))
        .order_by(ComparisonCompletion.comparison_id, ComparisonCompletion.position)
    ):
        positions[member.comparison_id, member.completion_id] = member.position
        responses[member.comparison_id].append(_excerpt(beginning))
    verdicts: dict[UUID, dict[str, int]] = {comparison_id: {} for comparison_id in ids}
    for comparison_id, verdict, preferred, n in session.execute(
        select(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id, func.count())
        .where(Judgment.comparison_id.in_(ids), is_current())
        .group_by(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id)
    ):
        label = str(positions[comparison_id, preferred] + 1) if preferred else verdict
        verdicts[comparison_id][label] = n
    asked = {
        comparison_id: (kind, messages)
        for comparison_id, kind, messages in session.execute(
            select(Comparison.id, Comparison.kind, Prompt.messages)
            .join(Prompt, Prompt.id == Comparison.prompt_id)
            .where(Comparison.id.in_(ids))
        )
    }
    return [
        ComparisonRow(
            id=comparison_id,
            excerpt=_excerpt(asked[comparison_id][1][-1]["content"]),
            is_gold=asked[comparison_id][0] == "gold",
            responses=responses[comparison_id],
            judgments=sum(verdicts[comparison_id].values()),
            verdicts=dict(sorted(verdicts[comparison_id].items())),
        )
        for comparison_id in ids
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
        verdict = UNDECIDED[judgment.verdict]
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
