"""Imports every table once, so that `metadata` is whole for migrations and relationships."""

from app.db import Base
from app.models import accounts, judgments, projects, runs, statistics, tallies

metadata = Base.metadata

__all__ = ["accounts", "judgments", "metadata", "projects", "runs", "statistics", "tallies"]
