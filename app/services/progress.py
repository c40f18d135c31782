"""How far one annotator is in a project."""

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.prepared import run
from app.services import queue

FEW = 50
"""What is left is counted up to here, so that the count costs the same in a large project."""


_OF_ANNOTATOR = (
    AnnotatorDay.project_id == bindparam("project_id"),
    AnnotatorDay.annotator_id == bindparam("annotator_id"),
)
_SUMS = select(
    func.sum(AnnotatorDay.judged).label("judged"),
    func.sum(AnnotatorDay.skipped).label("skipped"),
    select(Membership.groups)
    .where(
        Membership.project_id == bindparam("project_id"),
        Membership.annotator_id == bindparam("annotator_id"),
    )
    .scalar_subquery()
    .label("groups"),
).where(*_OF_ANNOTATOR)
_LEFT = queue.by_groups(
    lambda visible: select(
        select(func.count())
        .select_from(queue.open_to_annotator(visible).limit(bindparam("most")).subquery())
        .scalar_subquery()
        + select(func.count())
        .where(
            Assignment.project_id == bindparam("project_id"),
            Assignment.annotator_id == bindparam("annotator_id"),
            Assignment.state == AssignmentState.LEASED,
        )
        .scalar_subquery()
    )
)


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
    of_annotator = {"project_id": project.id, "annotator_id": annotator.id}
    sums = run(session, _SUMS, **of_annotator).one()
    left = None
    if not queue.policy_of(project).plants:
        groups = tuple(sums.groups or ())
        left = run(
            session, _LEFT[bool(groups)], **of_annotator, groups=groups, most=FEW + 1
        ).scalar_one()
    return Progress(
        judged=sums.judged or 0,
        skipped=sums.skipped or 0,
        left=left if left is not None and left <= FEW else None,
    )
