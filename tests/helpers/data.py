"""Short ways to fill a database through the real services."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy.orm import Session

from app.db import Database
from app.models.accounts import Annotator, AnnotatorKind, Role
from app.models.projects import Project
from app.services import assignments, guidelines, imports, judgments, projects
from app.services.assignments import AssignmentView
from app.services.import_files import Record
from app.services.imports import ImportSummary
from app.services.judgments import Submission, Submitted

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LEASE_SECONDS = 600


def pair(number: int, **extra: Any) -> dict[str, Any]:
    return {
        "prompt": f"Question {'x' * number}?",
        "completions": [f"first answer {number}", f"second answer {number}"],
        **extra,
    }


def project_id_of(slug: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"project:{slug}")


def make_project(
    database: Database, *, pairs: int = 3, overlap: int = 1, slug: str = "p", **options: Any
) -> None:
    """Its content has the same ids every time, and with them the groups that intervals resample."""
    with database.writing() as session:
        projects.create(
            session,
            slug=slug,
            overlap=overlap,
            project_id=project_id_of(slug),
            now=NOON,
            **options,
        )
    import_plain(database, [pair(i) for i in range(1, pairs + 1)], slug=slug)


def import_plain(
    database: Database, records: list[Any], *, slug: str = "p", **options: Any
) -> ImportSummary:
    numbered = (Record(line, record) for line, record in enumerate(records, start=1))
    return imports.import_records(database, slug, numbered, now=NOON, **options)


def add_annotator(
    database: Database, name: str, *, slug: str = "p", annotator_id: UUID | None = None
) -> Annotator:
    """Their id decides which of their leases are planted."""
    with database.writing() as session:
        annotator = Annotator(
            id=annotator_id or uuid4(),
            name=name,
            kind=AnnotatorKind.SIMULATED,
            role=Role.ANNOTATOR,
            created_at=NOON,
        )
        session.add(annotator)
        session.flush()
        projects.add_member(session, projects.by_slug(session, slug), annotator, now=NOON)
    return annotator


def project_of(session: Session, slug: str = "p") -> Project:
    return projects.by_slug(session, slug)


def lease(
    database: Database, annotator: Annotator, *, now: datetime = NOON, slug: str = "p"
) -> AssignmentView | None:
    """The next comparison of somebody who has read the guideline."""
    with database.writing() as session:
        project = project_of(session, slug)
        version = guidelines.current(session, project)
        if version is not None:
            guidelines.confirm_reading(session, version, annotator, now=now)
        return assignments.lease_next(
            session, project, annotator, lease_seconds=LEASE_SECONDS, now=now
        )


def submit(
    database: Database,
    annotator: Annotator,
    view: AssignmentView,
    verdict: str = "A",
    *,
    key: str | None = None,
    now: datetime = NOON + timedelta(seconds=30),
    **fields: Any,
) -> Submitted:
    submission = Submission(verdict=verdict, idempotency_key=key or f"key-{view.id}", **fields)
    with database.writing() as session:
        return judgments.submit(session, annotator, view.id, submission, now=now)
