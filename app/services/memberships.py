"""Who works in which project, and in which groups there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidInput, NotFound
from app.models.accounts import Annotator, Membership
from app.models.projects import Project
from app.services import audit
from app.services.audit import Action

LONGEST_GROUP = 80
MOST_GROUPS = 50


@dataclass(frozen=True)
class MembershipRow:
    project: Project
    groups: list[str]
    joined_at: datetime


def list_for(session: Session, person: Annotator) -> list[MembershipRow]:
    found = session.execute(
        select(Membership, Project)
        .join(Project, Project.id == Membership.project_id)
        .where(Membership.annotator_id == person.id)
        .order_by(Project.name, Project.slug)
    )
    return [MembershipRow(project, m.groups, m.joined_at) for m, project in found]


def add(
    session: Session,
    project: Project,
    person: Annotator,
    *,
    groups: Iterable[str] = (),
    by: Annotator | None = None,
    now: datetime,
) -> None:
    """Let the person work in the project; who does already keeps their groups."""
    if session.get(Membership, (project.id, person.id)) is not None:
        return
    membership = Membership(
        project_id=project.id, annotator_id=person.id, joined_at=now, groups=_checked(groups)
    )
    session.add(membership)
    session.flush()
    _record(session, Action.MEMBER_ADDED, project, person, membership.groups, by=by, now=now)


def remove(
    session: Session, project: Project, person: Annotator, *, by: Annotator, now: datetime
) -> None:
    """Close the project to the person, whose judgments stay."""
    membership = _existing(session, project, person)
    session.delete(membership)
    session.flush()
    _record(session, Action.MEMBER_REMOVED, project, person, membership.groups, by=by, now=now)


def set_groups(
    session: Session,
    project: Project,
    person: Annotator,
    groups: Iterable[str],
    *,
    by: Annotator,
    now: datetime,
) -> None:
    """Replace the groups whose comparisons the member may judge beside the unrestricted ones."""
    membership, wanted = _existing(session, project, person), _checked(groups)
    if membership.groups == wanted:
        return
    membership.groups = wanted
    session.flush()
    _record(session, Action.GROUPS_CHANGED, project, person, wanted, by=by, now=now)


def _existing(session: Session, project: Project, person: Annotator) -> Membership:
    membership = session.get(Membership, (project.id, person.id), with_for_update=True)
    if membership is None:
        raise NotFound(f"{person.name} is no member of {project.slug}; reload the page.")
    return membership


def _checked(groups: Iterable[str]) -> list[str]:
    """Without space around names, empty ones and repetitions, in alphabetical order."""
    names = sorted({group.strip() for group in groups} - {""})
    if len(names) > MOST_GROUPS:
        raise InvalidInput(f"{len(names)} groups were given; name at most {MOST_GROUPS}.")
    for name in names:
        if len(name) > LONGEST_GROUP:
            raise InvalidInput(
                f"The group {name[:20]}… has {len(name)} characters; use at most {LONGEST_GROUP}."
            )
    return names


def _record(
    session: Session,
    action: Action,
    project: Project,
    person: Annotator,
    groups: list[str],
    *,
    by: Annotator | None,
    now: datetime,
) -> None:
    audit.record(
        session,
        by=by,
        action=action,
        subject=audit.person(person),
        details={"project": project.slug, "groups": groups},
        now=now,
    )
