"""The work of judging: assignments, judgments, skips, flags, and the preferences they give."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class Verdict(StrEnum):
    """What a judgment says. `preferred` and `ranking` name completions by id, never by side."""

    PREFERRED = "preferred"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    RANKING = "ranking"


class AssignmentState(StrEnum):
    LEASED = "leased"
    JUDGED = "judged"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Assignment(Base):
    """A comparison leased to one annotator until a time.

    One row for a comparison and an annotator (and repeat number): nobody gets one twice.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("comparison_id", "annotator_id", "repeat"),
        CheckConstraint("state IN ('leased', 'judged', 'skipped', 'expired')", name="state"),
        CheckConstraint("kind IN ('normal', 'gold', 'repeat')", name="kind"),
        Index(
            "ix_assignments_leased",
            "project_id",
            "lease_expires_at",
            sqlite_where=text("state = 'leased'"),
            postgresql_where=text("state = 'leased'"),
        ),
        Index("ix_assignments_annotator", "annotator_id", "project_id", "state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"))
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"))
    repeat: Mapped[int] = mapped_column(default=0)
    kind: Mapped[str] = mapped_column(String(20), default="normal")
    state: Mapped[str] = mapped_column(String(20), default=AssignmentState.LEASED)
    shown_order: Mapped[list[str]] = mapped_column(JSON)
    """Completion ids as hex, in the order of the sides A, B, …"""
    guideline_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("guideline_versions.id"))
    """The version in force when it was issued, which is the one that its judgment follows."""
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Judgment(Base):
    """What one annotator said of one comparison.

    Append-only: a revision is a new row that names the one it supersedes; a row is current while
    no other names it.
    """

    __tablename__ = "judgments"
    __table_args__ = (
        UniqueConstraint("annotator_id", "idempotency_key"),
        UniqueConstraint("supersedes_id"),
        CheckConstraint("verdict IN ('preferred', 'tie', 'both_bad', 'ranking')", name="verdict"),
        CheckConstraint("(verdict = 'preferred') = (preferred_id IS NOT NULL)", name="preferred"),
        CheckConstraint("strength IS NULL OR strength BETWEEN 1 AND 3", name="strength"),
        CheckConstraint("kind IN ('normal', 'gold', 'repeat')", name="kind"),
        Index("ix_judgments_project", "project_id", "received_at", "id"),
        Index("ix_judgments_comparison", "comparison_id", "annotator_id"),
        Index("ix_judgments_annotator", "annotator_id", "project_id", "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"))
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"))
    assignment_id: Mapped[UUID | None] = mapped_column(ForeignKey("assignments.id"), index=True)
    """None for an imported judgment."""
    verdict: Mapped[str] = mapped_column(String(20))
    preferred_id: Mapped[UUID | None] = mapped_column(ForeignKey("completions.id"))
    strength: Mapped[int | None]
    """1 slightly, 2 clearly, 3 much better; None where it was not asked."""
    ranking: Mapped[list[list[str]] | None] = mapped_column(JSON(none_as_null=True))
    """Completion ids as hex, best group first; a group of several is a tie, in the order of the
    ids. For K > 2."""
    rationale: Mapped[str | None] = mapped_column(Text)
    reason_codes: Mapped[list[str]] = mapped_column(JSON, default=list)
    shown_order: Mapped[list[str]] = mapped_column(JSON)
    layout: Mapped[str] = mapped_column(String(20), default="side_by_side")
    guideline_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("guideline_versions.id"))
    kind: Mapped[str] = mapped_column(String(20), default="normal")
    sampling_probability: Mapped[float | None]
    """For a way of choosing comparisons that makes some likelier than others; there is none yet."""
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Server time; for an imported judgment the time its source gives, else the import's."""
    active_ms: Mapped[int | None]
    """Milliseconds in which the page was visible and the annotator acted, as the page says."""
    wall_ms: Mapped[int | None]
    """Milliseconds from issue to receipt, 2^31 - 1 where it took longer than these 24 days."""
    late: Mapped[bool] = mapped_column(default=False)
    """Arrived after its lease had ended: kept all the same."""
    idempotency_key: Mapped[str] = mapped_column(String(100))
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("judgments.id"))


class Skip(Base):
    """An annotator passed on a comparison, and why. Not a verdict."""

    __tablename__ = "skips"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), unique=True)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), index=True)
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    skipped_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Flag(Base):
    """A note that something is wrong with a comparison, beside whatever verdict it gets."""

    __tablename__ = "flags"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), index=True)
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    flagged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Preference(Base):
    """One `(prompt, chosen, rejected)` row, written with the judgment that it follows from."""

    __tablename__ = "preferences"
    __table_args__ = (CheckConstraint("chosen_id <> rejected_id", name="two_completions"),)

    judgment_id: Mapped[UUID] = mapped_column(ForeignKey("judgments.id"), primary_key=True)
    chosen_id: Mapped[UUID] = mapped_column(ForeignKey("completions.id"), primary_key=True)
    rejected_id: Mapped[UUID] = mapped_column(ForeignKey("completions.id"), primary_key=True)
    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), index=True)
    strength: Mapped[int | None]
