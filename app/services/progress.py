"""How far one annotator is in a project."""

from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState, Judgment, Skip
from app.models.projects import Comparison, Project


@dataclass(frozen=True, kw_only=True)
class Progress:
    judged: int
    skipped: int
    available: int
    """Comparisons still open to this annotator, the one on lease included."""


def for_annotator(session: Session, project: Project, annotator: Annotator) -> Progress:
    def count(table: type[Judgment] | type[Skip]) -> int:
        query = select(func.count()).where(
            table.project_id == project.id, table.annotator_id == annotator.id
        )
        if table is Judgment:
            query = query.where(Judgment.supersedes_id.is_(None))
        return session.scalar(query) or 0

    mine = exists().where(
        Assignment.comparison_id == Comparison.id, Assignment.annotator_id == annotator.id
    )
    finished_mine = mine.where(Assignment.state != AssignmentState.EXPIRED)
    leased_mine = mine.where(Assignment.state == AssignmentState.LEASED)
    available = session.scalar(
        select(func.count(Comparison.id)).where(
            Comparison.project_id == project.id,
            ((Comparison.open_slots > 0) & ~finished_mine) | leased_mine,
        )
    )
    return Progress(judged=count(Judgment), skipped=count(Skip), available=available or 0)
