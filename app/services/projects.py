"""Projects: creating them, and which of them a person may see."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, bindparam, exists, select
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput, NotFound
from app.models.accounts import Annotator, Membership, Role
from app.models.judgments import Assignment
from app.models.projects import Project
from app.rules.queue_policy import QueuePolicy, write_policy
from app.services import audit, guidelines, queue, targets
from app.services.audit import Action

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,78}")


def create(
    session: Session,
    *,
    slug: str,
    name: str | None = None,
    question: str = "Which response is better?",
    overlap: int = 1,
    guideline: str | None = None,
    project_id: UUID | None = None,
    now: datetime,
) -> Project:
    """A new project. All ids of its content follow from its own id, which is random unless given:
    two databases with the same id and the same imports hold the same rows."""
    if not SLUG.fullmatch(slug):
        raise InvalidInput(
            f"Project name {slug!r} is not usable in an address; use lower-case letters, digits "
            "and hyphens, starting with a letter or digit."
        )
    QueuePolicy(overlap=overlap)
    if session.scalar(select(Project).where(Project.slug == slug)):
        raise Conflict(f"A project named {slug!r} exists already; choose another name.")
    project = Project(
        id=project_id or uuid4(),
        slug=slug,
        name=name or slug,
        question=question,
        overlap=overlap,
        settings={},
        created_at=now,
    )
    session.add(project)
    session.flush()
    audit.record(
        session, by=None, action=Action.PROJECT_CREATED, subject=f"project {slug}", now=now
    )
    if guideline:
        guidelines.publish(session, project, guideline, by=None, now=now)
    return project


def set_overlap(session: Session, project: Project, overlap: int) -> None:
    """Want more or fewer judgments for each comparison; those given and on lease stay."""
    set_policy(session, project, replace(queue.policy_of(project), overlap=overlap))


def set_policy(session: Session, project: Project, policy: QueuePolicy) -> None:
    """Hand out work by another policy from now on.

    Locks the project first, which imports share, then its comparisons: whoever leases, judges or
    imports at the same moment counts with the old policy before, or with the new one after.
    """
    session.refresh(project, with_for_update={"key_share": True})
    before = queue.policy_of(project)
    project.overlap = policy.overlap
    project.settings = {**project.settings, "queue": write_policy(policy)}
    if not targets.are_equal(before, policy):
        targets.set_all(session, project, policy)


def by_slug(session: Session, slug: str) -> Project:
    """For the command line, which may see every project."""
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None:
        known = ", ".join(session.scalars(select(Project.slug).order_by(Project.slug)).all())
        raise NotFound(
            f"There is no project {slug!r} (there are: {known or 'none'}). "
            f"Create it with `prefloop project create {slug}`."
        )
    return project


def sees_all(annotator: Annotator) -> bool:
    return annotator.role in (Role.REVIEWER, Role.ADMIN)


def list_for(session: Session, annotator: Annotator) -> list[Project]:
    found = session.scalars(_open_to(annotator).order_by(Project.name), _of(annotator))
    return list(found)


def get_for(session: Session, annotator: Annotator, slug: str) -> Project:
    """The project, or NotFound for a stranger too: who is not a member learns nothing."""
    query = _BY_SLUG if sees_all(annotator) else _OWN_BY_SLUG
    project = session.scalar(query, {**_of(annotator), "slug": slug})
    if project is None:
        raise NotFound(f"There is no project {slug!r} that you can open.")
    return project


def get_of_assignment(session: Session, annotator: Annotator, assignment_id: UUID) -> Project:
    """The project of the annotator's own assignment; NotFound also where they left it."""
    query = _BY_ASSIGNMENT if sees_all(annotator) else _OWN_BY_ASSIGNMENT
    project = session.scalar(query, {**_of(annotator), "assignment_id": assignment_id})
    if project is None:
        raise NotFound(f"There is no assignment {assignment_id} of yours. Ask for the next one.")
    return project


def _open_to(annotator: Annotator) -> Select[Project]:
    """The projects that this annotator may open; takes the parameters of `_of`."""
    return _ALL if sees_all(annotator) else _OWN


def _of(annotator: Annotator) -> dict[str, Any]:
    return {"annotator_id": annotator.id}


# Every request asks one of these, and building a statement costs more than running it.
_ALL = select(Project)
_OWN = _ALL.where(
    exists().where(
        Membership.project_id == Project.id, Membership.annotator_id == bindparam("annotator_id")
    )
)


def _with_slug(projects: Select[Project]) -> Select[Project]:
    return projects.where(Project.slug == bindparam("slug"))


def _of_assignment(projects: Select[Project]) -> Select[Project]:
    return projects.join(Assignment, Assignment.project_id == Project.id).where(
        Assignment.id == bindparam("assignment_id"),
        Assignment.annotator_id == bindparam("annotator_id"),
    )


_BY_SLUG, _OWN_BY_SLUG = _with_slug(_ALL), _with_slug(_OWN)
_BY_ASSIGNMENT, _OWN_BY_ASSIGNMENT = _of_assignment(_ALL), _of_assignment(_OWN)


def is_member(session: Session, project: Project, annotator: Annotator) -> bool:
    found = exists().where(
        Membership.project_id == project.id, Membership.annotator_id == annotator.id
    )
    return bool(session.scalar(select(found)))


def add_member(session: Session, project: Project, annotator: Annotator, *, now: datetime) -> None:
    if not is_member(session, project, annotator):
        session.add(Membership(project_id=project.id, annotator_id=annotator.id, joined_at=now))
        session.flush()
