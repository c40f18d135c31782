"""How much work is waiting, for those who watch the server."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.projects import Project
from app.services import comparisons


def open_comparisons(session: Session) -> dict[str, int]:
    """Comparisons that still want a judgment that nobody has on lease, by project slug.

    Reads the queue's index as far as it is filled: a tenth of a second for a million of them.
    """
    projects = session.scalars(select(Project).order_by(Project.slug)).all()
    return {project.slug: comparisons.count(session, project, "open") for project in projects}
