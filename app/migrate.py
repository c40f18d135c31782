"""Brings a database to the schema this version expects."""

from pathlib import Path
from uuid import UUID

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

import migrations
from app import revisions
from app.db import Database, utc_now
from app.models.projects import Comparison, Project
from app.models.tallies import ProjectContent
from app.services import full_tallies, queue, statistics
from app.services.projects import remember_adaptive


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def known_revisions() -> set[str]:
    """Every revision that this version can bring up to date, and its own."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def upgrade(database: Database, revision: str = "head") -> str | None:
    """Bring the database to a revision; one that was filled before sums were kept gets them
    computed, and every filled one the state of its statistics, also where only their format is new.

    An SQLite file that is not there is made. Gives the revision that was found.
    """
    projects: list[UUID] = []
    with database.connecting(create=True) as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), revision)
        after = MigrationContext.configure(connection).get_current_revision()
        if before is not None and after == revisions.expected():
            with Session(connection) as session:
                remember_adaptive(session)
                for project in session.scalars(select(Project)).all():
                    if before == after and not statistics.is_outdated(session, project.id):
                        continue
                    projects.append(project.id)
                    # In the same transaction: nobody finds new tables without their sums. Those of
                    # larger comparisons once counted sides.
                    if session.get(ProjectContent, project.id) is None or _has_larger(
                        session, project
                    ):
                        full_tallies.rebuild(session, project, queue.policy_of(project))
                session.flush()
    for project_id in projects:
        statistics.catch_up(database, project_id, now=utc_now())
    return before


def _has_larger(session: Session, project: Project) -> bool:
    """Whether a comparison of the project has more than two completions."""
    larger = select(Comparison.id).where(Comparison.project_id == project.id, Comparison.size > 2)
    return session.scalar(larger.limit(1)) is not None


def downgrade(database: Database, revision: str) -> None:
    with database.connecting() as connection:
        command.downgrade(_config(connection), revision)
