"""How far one annotator is in a project."""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Integer, Select, bindparam, cast, func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment, AssignmentState
from app.models.projects import Project
from app.models.tallies import AnnotatorDay
from app.prepared import run
from app.services import queue
from app.services.queue_order import look_ahead, number, values_of

FEW = 50
"""What is left is counted up to here."""
LOOK_AHEAD = 512
"""Open comparisons looked at, so that the count costs the same in a large project."""


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
_LEASED = (
    select(func.count())
    .where(
        Assignment.project_id == bindparam("project_id"),
        Assignment.annotator_id == bindparam("annotator_id"),
        Assignment.state == AssignmentState.LEASED,
    )
    .scalar_subquery()
)


@cache
def _left(groups: int) -> Select[int, int, int]:
    """How many open comparisons were looked at, how many of them the annotator had, and leases."""
    seen = look_ahead(groups, LOOK_AHEAD).subquery()
    n_had = func.coalesce(func.sum(cast(seen.c.had, Integer)), 0)
    return select(
        func.count().label("seen"), n_had.label("had"), _LEASED.label("leased")
    ).select_from(seen)


@cache
def _not_had(groups: int) -> Select[int]:
    """How many the annotator has not had, of those that are looked at and up to one more than FEW:
    that ends the walk after as many steps, wherever many are left."""
    seen = look_ahead(groups, LOOK_AHEAD).subquery()
    first = select(seen.c.had).where(~seen.c.had).limit(number(FEW + 1)).subquery()
    return select(func.count()).select_from(first)


@dataclass(frozen=True, kw_only=True)
class Progress:
    judged: int
    skipped: int
    left: int | None
    """Comparisons still open to this annotator, the one on lease included.

    None where there are more than FEW, or more open ones than are looked at; and where gold or
    repeats are planted, because a number that stands still would tell which they were.
    """


def for_annotator(session: Session, project: Project, annotator: Annotator) -> Progress:
    of_annotator = {"project_id": project.id, "annotator_id": annotator.id}
    sums = run(session, _SUMS, **of_annotator).one()
    left = None
    if not queue.policy_of(project).plants:
        groups = tuple(sums.groups or ())
        of_walk = {**of_annotator, **values_of(groups)}
        if run(session, _not_had(len(groups)), **of_walk).scalar_one() <= FEW:
            found = run(session, _left(len(groups)), **of_walk).one()
            if found.seen < LOOK_AHEAD:
                left = found.seen - found.had + found.leased
    return Progress(
        judged=sums.judged or 0,
        skipped=sums.skipped or 0,
        left=left if left is not None and left <= FEW else None,
    )
