"""What reviewers decide where annotators disagree, and what they suggest for the guideline."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class Outcome(StrEnum):
    """What an adjudication says. `split`: people may well differ here, and nobody erred."""

    PREFERRED = "preferred"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SPLIT = "split"


class Cause(StrEnum):
    """Why annotators disagreed, as the reviewer sees it."""

    TASTE = "taste"
    UNDERSPECIFIED = "underspecified"
    FACTUAL = "factual"
    SAFETY = "safety"
    SLIP = "slip"


class CandidateStatus(StrEnum):
    OPEN = "open"
    ADOPTED = "adopted"
    DROPPED = "dropped"


class Adjudication(Base):
    """What a reviewer decided of a comparison.

    Append-only, as judgments are: a revision is a new row that names the one it supersedes, and the
    row that no other names is current. A comparison has at most one current adjudication.
    """

    __tablename__ = "adjudications"
    __table_args__ = (
        UniqueConstraint("supersedes_id"),
        CheckConstraint("outcome IN ('preferred', 'tie', 'both_bad', 'split')", name="outcome"),
        CheckConstraint("(outcome = 'preferred') = (preferred_id IS NOT NULL)", name="preferred"),
        CheckConstraint(
            "cause IN ('taste', 'underspecified', 'factual', 'safety', 'slip')", name="cause"
        ),
        Index("ix_adjudications_project", "project_id", "adjudicated_at", "id"),
        Index("ix_adjudications_comparison", "comparison_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"))
    reviewer_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), index=True)
    outcome: Mapped[str] = mapped_column(String(20))
    preferred_id: Mapped[UUID | None] = mapped_column(ForeignKey("completions.id"))
    cause: Mapped[str | None] = mapped_column(String(20))
    """None where the reviewer could not tell."""
    note: Mapped[str | None] = mapped_column(Text)
    shown_order: Mapped[list[str]] = mapped_column(JSON)
    """Completion ids as hex, in the order of the sides A, B, …"""
    guideline_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("guideline_versions.id"))
    """The newest version that the comparison's judgments followed: that one did not prevent the
    disagreement. None where all of them were imported."""
    blind: Mapped[bool | None]
    """Whether the reviewer had not seen the comparison's judgments. None where that was not yet
    written down when they decided."""
    adjudicated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("adjudications.id"))


class JudgmentReading(Base):
    """That somebody has seen what others judged of a comparison, and when they first did."""

    __tablename__ = "judgment_readings"

    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), primary_key=True)
    reader_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), primary_key=True)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GuidelineCandidate(Base):
    """A sentence from a comparison that the guideline may need, and what became of it."""

    __tablename__ = "guideline_candidates"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'adopted', 'dropped')", name="status"),
        CheckConstraint(
            "(status = 'adopted') = (adopted_version_id IS NOT NULL)", name="adopted_version"
        ),
        Index("ix_guideline_candidates_project", "project_id", "status", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(20), default=CandidateStatus.OPEN)
    adopted_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("guideline_versions.id"))
