"""Imports every table once, so that `metadata` is whole for migrations and relationships."""

from app.db import Base
from app.models import (
    accounts,
    adjudications,
    judgments,
    projects,
    runs,
    statistics,
    tallies,
)

metadata = Base.metadata

__all__ = [
    "accounts",
    "adjudications",
    "judgments",
    "metadata",
    "projects",
    "runs",
    "statistics",
    "tallies",
]
