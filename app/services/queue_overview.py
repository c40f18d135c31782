"""What an admin sees and decides of a project's queue."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator, Membership
from app.models.judgments import Assignment
from app.models.projects import Comparison, Project
from app.rules.queue_policy import QueuePolicy
from app.services import audit, comparisons, overview, projects
from app.services.audit import Action


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    name: str
    members: int
    comparisons: int
    """Those that only this group may judge, finished ones too."""


@dataclass(frozen=True, kw_only=True)
class QueueOverview:
    comparisons: int
    """Without gold."""
    finished: int
    open: int
    """Those that want judgments beyond those that are on lease."""
    gold: int
    leases: int
    """Comparisons in front of an annotator now, gold and repeats too."""
    lease_holders: int
    members: int
    groups: list[GroupRow]


def for_project(session: Session, project: Project, *, now: datetime) -> QueueOverview:
    total = comparisons.count(session, project, "all")
    gold = comparisons.count(session, project, "gold")
    wanted = comparisons.count(session, project, "open")
    leases, holders = session.execute(
        select(func.count(), func.count(Assignment.annotator_id.distinct())).where(
            Assignment.project_id == project.id,
            # As the index says it.
            literal_column("assignments.state = 'leased'"),
            Assignment.lease_expires_at > now,
        )
    ).one()
    memberships = session.scalars(
        select(Membership.groups).where(Membership.project_id == project.id)
    ).all()
    return QueueOverview(
        comparisons=total - gold,
        finished=total - gold - wanted - overview.last_leased(session, project),
        open=wanted,
        gold=gold,
        leases=leases,
        lease_holders=holders,
        members=len(memberships),
        groups=_groups(session, project, memberships),
    )


def _groups(session: Session, project: Project, memberships: Sequence[list[str]]) -> list[GroupRow]:
    """Every group that a member is in or a comparison asks for."""
    members = Counter(name for groups in memberships for name in groups)
    rows = session.execute(
        select(Comparison.restricted_to, func.count())
        .where(Comparison.project_id == project.id, Comparison.restricted_to.is_not(None))
        .group_by(Comparison.restricted_to)
    )
    restricted = {name: n for name, n in rows if name is not None}
    return [
        GroupRow(name=name, members=members[name], comparisons=restricted.get(name, 0))
        for name in sorted(members.keys() | restricted.keys())
    ]


def change_policy(
    session: Session, project: Project, policy: QueuePolicy, *, by: Annotator | None, now: datetime
) -> None:
    """Hand out work by another policy, and write down who wanted it."""
    projects.set_policy(session, project, policy)
    audit.record(
        session,
        by=by,
        action=Action.POLICY_CHANGED,
        subject=f"project {project.slug}",
        details=asdict(policy),
        now=now,
    )
