"""Lists of a project's comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Integer, Uuid, column, func, select
from sqlalchemy.orm import Session

from app.models.judgments import Flag, Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion, Project, Prompt
from app.models.tallies import ProjectContent
from app.rules.excerpts import LONGEST, excerpt
from app.services import adjudications
from app.services.adjudications import Decided
from app.services.comparison_filters import ComparisonFilter
from app.services.comparison_search import INDEXED, find, from_index
from app.services.current import clamp_page, is_current

EVERYTHING = ComparisonFilter()


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    id: UUID
    excerpt: str
    is_gold: bool
    responses: list[str]
    """Their beginnings, in the stored order."""
    judgments: int
    verdicts: dict[str, int]
    decision: str | None
    """The current adjudication: a response's number, `tie`, `both_bad` or `split`."""
    cause: str | None


@dataclass(frozen=True, kw_only=True)
class ComparisonsPage:
    rows: list[ComparisonRow]
    page: int
    pages: int
    total: int
    number: int | None
    """Of the judgments that the filter is about; of flags or skips, where what was flagged or
    skipped is asked for; None where it is about none of them."""
    is_cut: bool
    """Whether there may be more: only so many rows are looked at for a filter."""


def count(session: Session, project: Project, show: str) -> int:
    """How many comparisons a list without filters holds: no row is read, only what an index
    knows."""
    if show == "all":
        content = session.get(ProjectContent, project.id)
        return content.comparisons if content else 0
    if show == "flagged":
        flagged = select(func.count(Flag.comparison_id.distinct()))
        return session.scalar(flagged.where(Flag.project_id == project.id)) or 0
    return session.scalar(from_index(session, project, *INDEXED[show], func.count())) or 0


def page_of(
    session: Session,
    project: Project,
    wanted: ComparisonFilter = EVERYTHING,
    *,
    page: int = 1,
    per_page: int = 25,
) -> ComparisonsPage:
    """One page of comparisons: in the queue's order, or by when something last happened to them
    where the filter is about that. Raises InvalidInput for a filter that names what is not there.
    """
    if wanted.is_plain and (wanted.show in INDEXED or wanted.show == "flagged"):
        total, is_cut, ids = count(session, project, wanted.show), False, None
        number = _flags(session, project) if wanted.show == "flagged" else None
    else:
        found = find(session, project, wanted)
        total, is_cut, ids, number = len(found.ids), found.is_cut, found.ids, found.number
    page, pages = clamp_page(page, total, per_page)
    start = (page - 1) * per_page
    stop = min(start + per_page, total)
    if ids is not None:
        shown: Sequence[UUID] = ids[start:stop]
    elif wanted.show == "flagged":
        shown = _flagged(session, project, start, stop)
    else:
        shown = _in_order(session, project, wanted.show, start, stop, total)
    return ComparisonsPage(
        rows=_rows(session, shown),
        page=page,
        pages=pages,
        total=total,
        number=number,
        is_cut=is_cut,
    )


def _flags(session: Session, project: Project) -> int:
    flags = select(func.count(Flag.id)).where(Flag.project_id == project.id)
    return session.scalar(flags) or 0


def _flagged(session: Session, project: Project, start: int, stop: int) -> Sequence[UUID]:
    """What was flagged last comes first."""
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
    priority, key = column("priority", Integer), column("id", Uuid)
    listed = from_index(session, project, *INDEXED[show], key).limit(stop - start)
    if start <= total / 2:
        forwards = listed.order_by(priority.desc(), key.desc()).offset(start)
        return session.scalars(forwards).all()
    backwards = listed.order_by(priority, key).offset(total - stop)
    return session.scalars(backwards).all()[::-1]


def _rows(session: Session, ids: Sequence[UUID]) -> list[ComparisonRow]:
    positions: dict[tuple[UUID, UUID], int] = {}
    responses: dict[UUID, list[str]] = {comparison_id: [] for comparison_id in ids}
    for member, beginning in session.execute(
        select(ComparisonCompletion, func.substr(Completion.text, 1, 2 * LONGEST))
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(ids))
        .order_by(ComparisonCompletion.comparison_id, ComparisonCompletion.position)
    ):
        positions[member.comparison_id, member.completion_id] = member.position
        responses[member.comparison_id].append(excerpt(beginning))
    verdicts: dict[UUID, dict[str, int]] = {comparison_id: {} for comparison_id in ids}
    for comparison_id, verdict, preferred, n in session.execute(
        select(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id, func.count())
        .where(Judgment.comparison_id.in_(ids), is_current())
        .group_by(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id)
    ):
        label = str(positions[comparison_id, preferred] + 1) if preferred else verdict
        verdicts[comparison_id][label] = n
    decisions = adjudications.decided(session, ids)
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
            excerpt=excerpt(asked[comparison_id][1][-1]["content"]),
            is_gold=asked[comparison_id][0] == "gold",
            responses=responses[comparison_id],
            judgments=sum(verdicts[comparison_id].values()),
            verdicts=dict(sorted(verdicts[comparison_id].items())),
            decision=_decision(decisions.get(comparison_id), positions),
            cause=decisions[comparison_id].cause if comparison_id in decisions else None,
        )
        for comparison_id in ids
    ]


def _decision(found: Decided | None, positions: dict[tuple[UUID, UUID], int]) -> str | None:
    if found is None or found.preferred_id is None:
        return found.outcome if found else None
    return str(positions[found.comparison_id, found.preferred_id] + 1)
