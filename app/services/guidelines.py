"""Guidelines: immutable versions, and who has read which."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.models.projects import GuidelineReading, GuidelineVersion, Project


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
    return version


def has_read(session: Session, version: GuidelineVersion, annotator: Annotator) -> bool:
    return session.get(GuidelineReading, (version.id, annotator.id)) is not None


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
