"""What was judged of late, by day and by kind of annotator, as far as it tells what is to come.

Imported judgments were made elsewhere: they say nothing of how fast work goes on here or of what it
will cost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, AnnotatorKind
from app.models.projects import Project
from app.models.tallies import AnnotatorDay

LATEST_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class RecentWork:
    by_day: list[int]
    """Judgments that fill a wanted place (no gold, no repeat), of the LATEST_DAYS whole days before
    today, or of those since the first."""
    by_kind: dict[AnnotatorKind, int]
    """All judgments, gold and repeats too, of these days and of today."""


def read(session: Session, project: Project, *, today: date) -> RecentWork:
    of_here = (
        AnnotatorDay.project_id == project.id,
        AnnotatorDay.judged > 0,
        Annotator.kind != AnnotatorKind.IMPORTED,
    )
    start = today - timedelta(days=LATEST_DAYS)
    by_day: Counter[date] = Counter()
    by_kind: Counter[AnnotatorKind] = Counter()
    for day, kind, counted, judged in session.execute(
        select(
            AnnotatorDay.day,
            Annotator.kind,
            func.sum(AnnotatorDay.counted),
            func.sum(AnnotatorDay.judged),
        )
        .join(Annotator, Annotator.id == AnnotatorDay.annotator_id)
        .where(*of_here, AnnotatorDay.day >= start)
        .group_by(AnnotatorDay.day, Annotator.kind)
    ):
        by_day[day] += int(counted)
        by_kind[AnnotatorKind(kind)] += int(judged)
    since = start if _is_there_any(session, *of_here, AnnotatorDay.day < start) else None
    first = since or min(by_day, default=today)
    days = [first + timedelta(days=i) for i in range(max(0, (today - first).days))]
    return RecentWork(by_day=[by_day[day] for day in days], by_kind=dict(by_kind))


def _is_there_any(session: Session, *which: ColumnElement[bool]) -> bool:
    found = session.execute(
        select(AnnotatorDay.day)
        .join(Annotator, Annotator.id == AnnotatorDay.annotator_id)
        .where(*which)
        .limit(1)
    )
    return found.first() is not None
