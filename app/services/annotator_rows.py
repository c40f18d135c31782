"""One line for each annotator of a project: pace, side bias, agreement with the others.

All but pace comes from the sums that are kept with each judgment (`AnnotatorDay`); pace is that of
an annotator's latest judgments, which an index finds.
"""

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from uuid import UUID

from sqlalchemy import Subquery, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.rules.bootstrap import Statistic
from app.rules.proportions import wilson
from app.rules.tallies import CREDIT
from app.services.current import clamp_page

LATEST = 200
"""Of so many judgments, the latest ones, is the median time."""
SUMS = (
    "judged", "counted", "tie", "both_bad", "skipped", "sided", "first_side", "shared", "credit",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AnnotatorRow:
    name: str
    kind: str
    judgments: int
    """Those that agreement and exports are made of."""
    planted: int
    """Judgments of gold and repeats, which are counted nowhere else in the row."""
    ties: int
    skips: int
    median_active_ms: int | None
    """Over the annotator's latest judgments of any kind, as far as their time is known."""
    left_rate: Statistic
    """Share of verdicts for the left side among those for a side; unknown for imported ones."""
    agreement_with_others: Statistic
    """Mean share of the others on the same comparison who gave the same verdict; n counts the
    comparisons that others judged too."""
    last_judged_at: datetime


@dataclass(frozen=True, kw_only=True)
class AnnotatorsPage:
    rows: list[AnnotatorRow]
    page: int
    pages: int
    total: int


def for_project(
    session: Session, project: Project, *, page: int = 1, per_page: int = 50, name: str = ""
) -> AnnotatorsPage:
    """One page of those who judged and whose name holds `name`, most judgments first."""
    sums = _sums(project)
    query = (
        select(Annotator.name, Annotator.kind, sums)
        .join(sums, sums.c.annotator_id == Annotator.id)
        .order_by(sums.c.counted.desc(), Annotator.name)
    )
    if name.strip():
        query = query.where(Annotator.name.icontains(name.strip(), autoescape=True))
    found = session.execute(query).all()
    page, pages = clamp_page(page, len(found), per_page)
    rows = []
    for row in found[(page - 1) * per_page : page * per_page]:
        median_active_ms, last_judged_at = _latest(session, project, row.annotator_id)
        rows.append(
            AnnotatorRow(
                name=row.name,
                kind=row.kind,
                judgments=row.counted,
                planted=row.judged - row.counted,
                ties=row.tie + row.both_bad,
                skips=row.skipped,
                median_active_ms=median_active_ms,
                left_rate=wilson(row.first_side, row.sided, undefined="no_shown_sides"),
                agreement_with_others=wilson(
                    int(row.credit) / CREDIT, row.shared, undefined="no_overlap"
                ),
                last_judged_at=last_judged_at,
            )
        )
    return AnnotatorsPage(rows=rows, page=page, pages=pages, total=len(found))


def _sums(project: Project) -> Subquery:
    """The sums of everybody who judged."""
    return (
        select(
            AnnotatorDay.annotator_id,
            *(func.sum(getattr(AnnotatorDay, name)).label(name) for name in SUMS),
        )
        .where(AnnotatorDay.project_id == project.id)
        .group_by(AnnotatorDay.annotator_id)
        .having(func.sum(AnnotatorDay.judged) > 0)
        .subquery()
    )


def _latest(session: Session, project: Project, annotator_id: UUID) -> tuple[int | None, datetime]:
    """The median active time of the latest judgments, and when the last one came."""
    rows = session.execute(
        select(Judgment.active_ms, Judgment.received_at)
        .where(Judgment.annotator_id == annotator_id, Judgment.project_id == project.id)
        .order_by(Judgment.received_at.desc())
        .limit(LATEST)
    ).all()
    times = [row.active_ms for row in rows if row.active_ms is not None]
    return round(median(times)) if times else None, rows[0].received_at
