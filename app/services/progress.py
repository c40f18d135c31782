"""How far one annotator is in a project."""

from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Comparison, Project
from app.models.tallies import AnnotatorDay
from app.services import queue

FEW = 50
"""What is left is counted up to here, so that the count costs the same in a large project."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    judged: int
    skipped: int
    left: int | None
    """Comparisons still open to this annotator, the one on lease included.

    None where there are more than FEW; and where gold or repeats are planted, because a number
    that stands still would tell which they were.
    """


def for_annotator(session: Session, project: Project, annotator: Annotator) -> Progress:
    judged, skipped = session.execute(
        select(func.sum(AnnotatorDay.judged), func.sum(AnnotatorDay.skipped)).where(
            AnnotatorDay.project_id == project.id, AnnotatorDay.annotator_id == annotator.id
        )
    ).one()
    left = None if queue.policy_of(project).plants else _left(session, project, annotator)
    return Progress(judged=judged or 0, skipped=skipped or 0, left=left)


def _left(session: Session, project: Project, annotator: Annotator) -> int | None:
    mine = exists().where(
        Assignment.comparison_id == Comparison.id,
        Assignment.annotator_id == annotator.id,
        Assignment.state != AssignmentState.EXPIRED,
    )
    some_open = (
        select(Comparison.id)
        .where(
            Comparison.project_id == project.id,
            Comparison.open_slots > 0,
            queue.is_visible(queue.groups_of(session, project, annotator)),
            ~mine,
        )
        .limit(FEW + 1)
    )
    leased = select(func.count()).where(
        Assignment.project_id == project.id,
        Assignment.annotator_id == annotator.id,
        Assignment.state == AssignmentState.LEASED,
    )
    open_to_me = session.scalar(select(func.count()).select_from(some_open.subquery())) or 0
    left = open_to_me + (session.scalar(leased) or 0)
    return left if left <= FEW else None
