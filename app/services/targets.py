"""Judgments wanted of every comparison of a project, when its policy changes.

A policy that wants the same of all is one statement. Any other is computed from each comparison's
row, so a change costs seconds in a project of a million comparisons; nobody can judge them
meanwhile, because all of them change in one transaction.
"""

from collections import defaultdict
from dataclasses import replace
from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, bindparam, case, func, literal_column, select, update
from sqlalchemy.orm import Session

from app.models.judgments import Assignment
from app.models.projects import Comparison, Project
from app.prepared import run
from app.rules.queue_policy import QueuePolicy, first_target, target_after
from app.services import comparison_parts, slots

IN_LIST = 900
"""Most values in one IN list; SQLite once stopped at 999."""


def are_equal(policy: QueuePolicy, other: QueuePolicy) -> bool:
    """Whether both want the same number of judgments of every comparison."""
    planted = {
        name: getattr(other, name) for name in ("gold_share", "repeat_share", "repeat_after_hours")
    }
    return replace(policy, **planted) == other


def set_all(
    session: Session, project: Project, policy: QueuePolicy, *, before: QueuePolicy
) -> None:
    """Set every target by the policy, and the open slots that follow. The caller holds the
    project's lock; the comparisons that change stay locked until the transaction ends."""
    session.flush()
    # While the policy before is adaptive, a target may change this moment that was right until now.
    is_adaptive = policy.adaptive_max is not None or before.adaptive_max is not None
    if policy.overlap_share == 1 and not policy.overlap_by_tag and not is_adaptive:
        _set_uniform(session, project, policy.overlap)
    else:
        _set_each(session, project, policy)
    # The statements above took nothing to be on lease.
    leased = select(Assignment.comparison_id).where(
        Assignment.project_id == project.id,
        # As the index says it.
        literal_column("assignments.state = 'leased'"),
    )
    # Locked, and those alone: others may be leased this moment, whose targets are as they were.
    locked = slots.lock_all(session, Comparison.id.in_(leased))
    for start in range(0, len(locked), IN_LIST):
        slots.recount(session, Comparison.id.in_(locked[start : start + IN_LIST]))


def _open(target: ColumnElement[int]) -> ColumnElement[int]:
    return case((target > Comparison.judged, target - Comparison.judged), else_=0)


def _set_uniform(session: Session, project: Project, overlap: int) -> None:
    target = func.coalesce(Comparison.overlap, overlap)
    session.execute(
        update(Comparison)
        .where(
            Comparison.project_id == project.id,
            Comparison.kind == "normal",
            Comparison.target != target,
        )
        .values(target=target, open_slots=_open(target))
        .execution_options(synchronize_session=False)
    )


_PART = comparison_parts.part(
    Comparison.tags,
    Comparison.overlap,
    Comparison.target,
    Comparison.judged,
    Comparison.n_first,
    Comparison.n_second,
    Comparison.n_tie,
    Comparison.n_both_bad,
    Comparison.contested,
    size=5000,
)
_NORMAL_PART = _PART.where(Comparison.kind == "normal").with_for_update(key_share=True)
_NEW_TARGET = bindparam("new_target", type_=Integer)
_MOVE = (
    update(Comparison)
    .where(Comparison.id.in_(bindparam("ids", expanding=True)))
    .values(target=_NEW_TARGET, open_slots=_open(_NEW_TARGET))
)


def _set_each(session: Session, project: Project, policy: QueuePolicy) -> None:
    @cache
    def target_of(
        first: int, judged: int, votes: tuple[int, int, int, int], contested: bool
    ) -> int:
        return target_after(policy, first, judged, votes, contested=contested)

    for rows in comparison_parts.walk(session, _NORMAL_PART, project.id):
        moved: dict[int, list[UUID]] = defaultdict(list)
        for row in rows:
            first = first_target(policy, row.id, row.tags, row.overlap)
            votes = (row.n_first, row.n_second, row.n_tie, row.n_both_bad)
            wanted = target_of(first, row.judged, votes, row.contested)
            if wanted != row.target:
                moved[wanted].append(row.id)
        for wanted, keys in moved.items():
            for start in range(0, len(keys), IN_LIST):
                run(session, _MOVE, new_target=wanted, ids=keys[start : start + IN_LIST])
