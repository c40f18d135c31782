"""One line for each annotator of a project: pace, side bias, agreement with the others."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, Subquery, case, cast, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Judgment, Skip
from app.models.projects import Comparison, Project
from app.rules.bootstrap import Statistic
from app.rules.proportions import wilson
from app.services.current import clamp_page, counts_for


@dataclass(frozen=True, kw_only=True)
class AnnotatorRow:
    name: str
    kind: str
    judgments: int
    ties: int
    skips: int
    median_active_ms: int | None
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
        .order_by(sums.c.judgments.desc(), Annotator.name)
    )
    if name.strip():
        query = query.where(Annotator.name.icontains(name.strip(), autoescape=True))
    found = session.execute(query).all()
    page, pages = clamp_page(page, len(found), per_page)
    shown = found[(page - 1) * per_page : page * per_page]
    ids = [row.annotator_id for row in shown]
    medians = _median_active_ms(session, project, ids)
    skips = _skips(session, project, ids)
    rows = [
        AnnotatorRow(
            name=row.name,
            kind=row.kind,
            judgments=row.judgments,
            ties=row.ties,
            skips=skips.get(row.annotator_id, 0),
            median_active_ms=medians.get(row.annotator_id),
            left_rate=wilson(row.left, row.sided, undefined="no_shown_sides"),
            agreement_with_others=wilson(row.credit, row.shared, undefined="no_overlap"),
            last_judged_at=row.last_judged_at,
        )
        for row in shown
    ]
    return AnnotatorsPage(rows=rows, page=page, pages=pages, total=len(found))


def _sums(project: Project) -> Subquery:
    """What each annotator's judgments add up to; the database does the adding."""
    comparison, preferred = Judgment.comparison_id, Judgment.preferred_id
    same_label = (comparison, Judgment.verdict, preferred)
    on_the_left = Judgment.shown_order[0].as_string()
    # Sides of imported judgments are unknown, and an undecided verdict takes none.
    is_left = case(
        (
            preferred.is_not(None) & Judgment.assignment_id.is_not(None),
            case((on_the_left == func.replace(cast(preferred, String), "-", ""), 1), else_=0),
        )
    )
    vote = (
        select(
            Judgment.annotator_id,
            Judgment.received_at,
            preferred.is_(None).label("undecided"),
            is_left.label("is_left"),
            func.count().over(partition_by=comparison).label("given"),
            func.count().over(partition_by=same_label).label("same"),
        )
        .join(Comparison, Comparison.id == comparison)
        .where(*counts_for(project))
        .subquery()
        .c
    )
    shared = vote.given > 1
    credit = (vote.same - 1.0) / (vote.given - 1)
    return (
        select(
            vote.annotator_id,
            func.count().label("judgments"),
            func.sum(case((vote.undecided, 1), else_=0)).label("ties"),
            func.count(vote.is_left).label("sided"),
            func.coalesce(func.sum(vote.is_left), 0).label("left"),
            func.sum(case((shared, 1), else_=0)).label("shared"),
            func.sum(case((shared, credit), else_=0)).label("credit"),
            func.max(vote.received_at).label("last_judged_at"),
        )
        .group_by(vote.annotator_id)
        .subquery()
    )


def _median_active_ms(
    session: Session, project: Project, annotators: list[UUID]
) -> dict[UUID, int]:
    """The mean of the middle one or two of each annotator's active times, those that have any."""
    annotator, active_ms = Judgment.annotator_id, Judgment.active_ms
    times = (
        select(
            annotator,
            active_ms,
            func.row_number().over(partition_by=annotator, order_by=active_ms).label("place"),
            func.count().over(partition_by=annotator).label("n"),
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(*counts_for(project), annotator.in_(annotators), active_ms.is_not(None))
        .subquery()
    )
    doubled = 2 * times.c.place
    rows = session.execute(
        select(times.c.annotator_id, func.avg(times.c.active_ms))
        .where(doubled >= times.c.n, doubled <= times.c.n + 2)
        .group_by(times.c.annotator_id)
    )
    return {annotator: round(median) for annotator, median in rows}


def _skips(session: Session, project: Project, annotators: list[UUID]) -> dict[UUID, int]:
    return dict(
        session.execute(
            select(Skip.annotator_id, func.count())
            .where(Skip.project_id == project.id, Skip.annotator_id.in_(annotators))
            .group_by(Skip.annotator_id)
        ).all()
    )
