"""Guidelines: immutable versions, and who has read which."""

from datetime import datetime

from sqlalchemy import bindparam, exists, literal_column, select
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput
from app.models.accounts import Annotator
from app.models.projects import GuidelineReading, GuidelineVersion, Project
from app.prepared import Asked, Rows
from app.services import audit
from app.services.audit import Action


def current(session: Session, project: Project) -> GuidelineVersion | None:
    return session.scalar(
        select(GuidelineVersion)
        .where(GuidelineVersion.project_id == project.id)
        .order_by(GuidelineVersion.version.desc())
        .limit(1)
    )


def versions(session: Session, project: Project) -> list[GuidelineVersion]:
    """Oldest first."""
    return list(
        session.scalars(
            select(GuidelineVersion)
            .where(GuidelineVersion.project_id == project.id)
            .order_by(GuidelineVersion.version)
        )
    )


def publish(
    session: Session, project: Project, markdown: str, *, by: Annotator | None, now: datetime
) -> GuidelineVersion:
    """A new version; publishing the current text again returns the current version."""
    text = markdown.replace("\r\n", "\n").strip()
    if not text:
        raise InvalidInput("The guideline is empty; write what annotators should look at.")
    latest = current(session, project)
    if latest is not None and latest.markdown == text:
        return latest
    version = GuidelineVersion(
        project_id=project.id,
        version=latest.version + 1 if latest else 1,
        markdown=text,
        published_at=now,
        published_by=by.id if by else None,
    )
    session.add(version)
    session.flush()
    audit.record(
        session,
        by=by,
        action=Action.GUIDELINE_PUBLISHED,
        subject=f"project {project.slug}",
        details={"version": version.version},
        now=now,
    )
    return version


def has_read(session: Session, version: GuidelineVersion, annotator: Annotator) -> bool:
    return session.get(GuidelineReading, (version.id, annotator.id)) is not None


# Every comparison handed out asks this, and building a statement costs more than running it.
_NEWEST_AND_READ = (
    select(
        GuidelineVersion.version,
        exists().where(
            GuidelineReading.guideline_version_id == GuidelineVersion.id,
            GuidelineReading.annotator_id == bindparam("annotator_id"),
        ),
    )
    .where(GuidelineVersion.project_id == bindparam("project_id"))
    .order_by(GuidelineVersion.version.desc())
    .limit(literal_column("1"))
)


class GuidelineUnread(Conflict):
    """It comes before the next comparison."""


def asking_whether_read(project: Project, annotator: Annotator) -> Asked:
    return Asked(_NEWEST_AND_READ, {"project_id": project.id, "annotator_id": annotator.id})


def require_read(project: Project, rows: Rows) -> None:
    """`rows` are what `asking_whether_read` gave. Raises GuidelineUnread."""
    newest = rows.first()
    if newest is not None and not newest[1]:
        raise GuidelineUnread(
            f"You have not read version {newest[0]} of the guideline of {project.slug}; read it, "
            "confirm that you did, and ask for a comparison again."
        )


def confirm_version(
    session: Session, project: Project, annotator: Annotator, version: int, *, now: datetime
) -> None:
    """Confirm a version by its number. Raises Conflict where another one is current by now."""
    newest = current(session, project)
    if newest is None or newest.version != version:
        there = f"version {newest.version}" if newest else "none"
        raise Conflict(f"You confirm version {version} of the guideline, but {there} is current.")
    confirm_reading(session, newest, annotator, now=now)


def confirm_reading(
    session: Session, version: GuidelineVersion, annotator: Annotator, *, now: datetime
) -> None:
    if not has_read(session, version, annotator):
        session.add(
            GuidelineReading(
                guideline_version_id=version.id, annotator_id=annotator.id, read_at=now
            )
        )
        session.flush()
