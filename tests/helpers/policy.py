"""Changes a test project's policy."""

from dataclasses import replace
from typing import Any

from helpers.data import project_of

from app.db import Database
from app.services import projects, queue


def set_policy(database: Database, **changes: Any) -> None:
    with database.writing() as session:
        project = project_of(session)
        policy = replace(queue.policy_of(project), **changes)
        projects.set_policy(session, project, policy)
