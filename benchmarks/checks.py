"""What must hold in the database after a drive, whatever its speed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.db import Database
from app.models.judgments import Assignment, AssignmentState, Judgment
from app.models.projects import Comparison
from app.services import projects
from benchmarks.seed import SLUG


@dataclass(frozen=True)
class Found:
    stored: int
    """Judgments received since the drive began."""
    beyond_overlap: int
    """Annotators beyond the wanted number, over all comparisons judged since then."""
    leased: int
    """Assignments issued since then and still on lease."""

    def problems(self, *, acknowledged: int, held: int) -> list[str]:
        """held: how many annotators may still hold a comparison that they did not judge."""
        found = []
        if self.stored != acknowledged:
            found.append(f"{acknowledged} judgments acknowledged, {self.stored} stored")
        if self.beyond_overlap:
            found.append(f"{self.beyond_overlap} judgments beyond the overlap")
        if self.leased > held:
            found.append(f"{self.leased} leases left behind")
        return found


def look(database: Database, *, since: datetime) -> Found:
    with database.reading() as session:
        project = projects.by_slug(session, SLUG)
        recent = (Judgment.project_id == project.id, Judgment.received_at >= since)
        judged = select(Judgment.comparison_id).where(*recent)
        annotators = func.count(Judgment.annotator_id.distinct())
        crowded = session.execute(
            select(annotators - Comparison.target)
            .select_from(Judgment)
            .join(Comparison, Comparison.id == Judgment.comparison_id)
            .where(Comparison.id.in_(judged))
            .group_by(Comparison.id, Comparison.target)
            .having(annotators > Comparison.target)
        ).scalars()
        leased = select(func.count(Assignment.id)).where(
            Assignment.project_id == project.id,
            Assignment.state == AssignmentState.LEASED,
            Assignment.issued_at >= since,
        )
        return Found(
            stored=session.scalar(select(func.count(Judgment.id)).where(*recent)) or 0,
            beyond_overlap=sum(crowded),
            leased=session.scalar(leased) or 0,
        )
