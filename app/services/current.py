"""What several queries share: which judgments count, and which page of rows there is."""

import math
from typing import Any

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import aliased

from app.models.judgments import Judgment
from app.models.projects import Comparison, Project


def is_current() -> ColumnElement[bool]:
    """Judgments that no later revision supersedes."""
    revision = aliased(Judgment)
    return ~exists().where(revision.supersedes_id == Judgment.id)


def counts_for(project: Project) -> tuple[ColumnElement[bool] | Any, ...]:
    """Conditions on Judgment joined with Comparison: the judgments that agreement, aggregation and
    export are made of. Gold items and repeats stay out."""
    return (Judgment.project_id == project.id, *counts())


def counts() -> tuple[ColumnElement[bool] | Any, ...]:
    """The same whatever the project."""
    return (Judgment.kind == "normal", Comparison.kind == "normal", is_current())


def clamp_page(page: int, total: int, per_page: int) -> tuple[int, int]:
    """The page, moved to where there are rows, and the number of pages (1 where there is none)."""
    pages = max(1, math.ceil(total / per_page))
    return min(max(1, page), pages), pages
