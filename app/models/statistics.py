"""The state that a project's statistics are read from, and which judgments it does not hold yet.

A judgment adds one row to `pending_judgments`. `services/statistics.py` folds these rows into the
state, which equals what it computes from all judgments.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class PendingJudgment(Base):
    """A judgment that is stored and not folded into the project's state yet."""

    __tablename__ = "pending_judgments"
    __table_args__ = (Index("ix_pending_judgments_project", "project_id", "comparison_id"),)

    judgment_id: Mapped[UUID] = mapped_column(ForeignKey("judgments.id"), primary_key=True)
    # The judgment holds the two below to their tables.
    project_id: Mapped[UUID]
    comparison_id: Mapped[UUID]


class KeptSums(Base):
    """The folded state of a project (`rules/project_sums.py`)."""

    __tablename__ = "project_sums"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    version: Mapped[int]
    """Grows whenever the state changes: who read another version must read again."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    folded: Mapped[int]
    """Judgments in the state."""
    state: Mapped[bytes | None]
    """None until it is built from all rows."""


class ModelFit(Base):
    """The last fit of a model that needs every judgment of a project."""

    __tablename__ = "model_fits"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    model: Mapped[str] = mapped_column(String(40), primary_key=True)
    fitted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    judgments: Mapped[int]
    """How many it was made of."""
    result: Mapped[dict[str, Any]] = mapped_column(JSON)
