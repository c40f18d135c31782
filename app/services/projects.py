"""Projects: creating them, and which of them a person may see."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Boolean, Executable, bindparam, exists, or_, select
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.util import identity_key

from app.errors import Conflict, InvalidInput, NotFound
from app.models.accounts import Annotator, AuditEntry, Membership, Role
from app.models.judgments import Assignment
from app.models.projects import Project
from app.prepared import run
from app.rules.queue_policy import QueuePolicy, refuse_hasty, write_policy
from app.services import audit, full_tallies, guidelines, queue, tallies, targets
from app.services.audit import Action

EVER_ADAPTIVE = "ever_adaptive"
"""In the settings of a project whose policy is or was adaptive: judgments that were asked for
because others conflicted stay."""
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

    Locks the project first, as imports do, then its comparisons: whoever leases, judges or
    imports at the same moment counts with the old policy before, or with the new one after. Raises
    InvalidInput for one by which a single judgment decides.
    """
    refuse_hasty(policy)
    session.refresh(project, with_for_update={"key_share": True})
    before = queue.policy_of(project)
    project.overlap = policy.overlap
    project.settings = {**project.settings, "queue": write_policy(policy)}
    is_adaptive = before.adaptive_max is not None or policy.adaptive_max is not None
    if is_adaptive:
        project.settings = {**project.settings, EVER_ADAPTIVE: True}
    is_first_time = is_adaptive and not tallies.is_first_only(project)
    if is_first_time or not targets.are_equal(before, policy):
        targets.set_all(session, project, policy, before=before)
    if is_first_time:
        full_tallies.compare_first_only(session, project)


def remember_adaptive(session: Session) -> None:
    """Write down what an older version did not: that the policy of a project was once adaptive, as
    the audit log knows of every change that somebody made. Nobody judges meanwhile."""
    changed = select(AuditEntry.subject, AuditEntry.details).where(
        AuditEntry.action == Action.POLICY_CHANGED
    )
    adaptive = {
        subject for subject, details in session.execute(changed) if details.get("adaptive_max")
    }
    for project in session.scalars(select(Project)).all():
        if f"project {project.slug}" in adaptive or queue.policy_of(project).adaptive_max:
            project.settings = {**project.settings, EVER_ADAPTIVE: True}
        if EVER_ADAPTIVE in project.settings and not tallies.is_first_only(project):
            full_tallies.compare_first_only(session, project)


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
    query = select(Project).where(IS_OPEN).order_by(Project.name)
    return list(session.scalars(query, open_to(annotator)))


def get_for(session: Session, annotator: Annotator, slug: str) -> Project:
    """The project, or NotFound for a stranger too: who is not a member learns nothing."""
    project = _first(session, _BY_SLUG, annotator, slug=slug)
    if project is None:
        raise NotFound(f"There is no project {slug!r} that you can open.")
    return project


def get_of_assignment(session: Session, annotator: Annotator, assignment_id: UUID) -> Project:
    """The project of the annotator's own assignment; NotFound also where they left it."""
    project = _first(session, _BY_ASSIGNMENT, annotator, assignment_id=assignment_id)
    if project is None:
        raise NotFound(f"There is no assignment {assignment_id} of yours. Ask for the next one.")
    return project


_COLUMNS = tuple(Project.__table__.c)
IS_OPEN = or_(
    bindparam("all", type_=Boolean),
    exists().where(
        Membership.project_id == Project.id, Membership.annotator_id == bindparam("annotator_id")
    ),
)
"""That a project is open to somebody: takes the values of `open_to`."""
_BY_SLUG = select(*_COLUMNS).where(Project.slug == bindparam("slug"), IS_OPEN)
_BY_ASSIGNMENT = (
    select(*_COLUMNS)
    .join(Assignment, Assignment.project_id == Project.id)
    .where(
        Assignment.id == bindparam("assignment_id"),
        Assignment.annotator_id == bindparam("annotator_id"),
        IS_OPEN,
    )
)


def open_to(annotator: Annotator) -> dict[str, Any]:
    """The values that IS_OPEN takes."""
    return {"annotator_id": annotator.id, "all": sees_all(annotator)}


def _first(
    session: Session, query: Executable, annotator: Annotator, **values: Any
) -> Project | None:
    """The project that a query of its columns finds, part of the session as if it had loaded it;
    every request asks for one, and to load it takes three times as long."""
    row = run(session, query, **open_to(annotator), **values).first()
    if row is None:
        return None
    known = session.identity_map.get(identity_key(Project, row.id))
    if isinstance(known, Project):
        return known
    project = Project(**row._asdict())
    make_transient_to_detached(project)
    session.add(project)
    return project


def is_member(session: Session, project: Project, annotator: Annotator) -> bool:
    found = exists().where(
        Membership.project_id == project.id, Membership.annotator_id == annotator.id
    )
    return bool(session.scalar(select(found)))


def add_member(session: Session, project: Project, annotator: Annotator, *, now: datetime) -> None:
    if not is_member(session, project, annotator):
        session.add(Membership(project_id=project.id, annotator_id=annotator.id, joined_at=now))
        session.flush()
