"""Projects and what they hold: guidelines, prompts, completions, demonstrations, comparisons."""

from datetime import datetime
from typing import Any
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
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, UtcDateTime


class Project(Base):
    """One question asked about one body of prompts."""

    __tablename__ = "projects"
    __table_args__ = (CheckConstraint("overlap >= 1", name="overlap_positive"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    question: Mapped[str] = mapped_column(Text, default="Which response is better?")
    """What the annotator is asked above the two responses."""
    overlap: Mapped[int] = mapped_column(default=1)
    """Judgments wanted for each comparison, each by another annotator."""
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GuidelineVersion(Base):
    """What annotators were told. Never changed: a new text is a new version."""

    __tablename__ = "guideline_versions"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    version: Mapped[int]
    markdown: Mapped[str] = mapped_column(Text)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_by: Mapped[UUID | None] = mapped_column(ForeignKey("annotators.id"))


class GuidelineReading(Base):
    """That an annotator confirmed having read a version."""

    __tablename__ = "guideline_readings"

    guideline_version_id: Mapped[UUID] = mapped_column(
        ForeignKey("guideline_versions.id"), primary_key=True
    )
    annotator_id: Mapped[UUID] = mapped_column(
        ForeignKey("annotators.id"), primary_key=True, index=True
    )
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Prompt(Base):
    """What was asked: a list of messages, the last one from the user.

    The id is derived from the project and the messages, so that importing twice adds nothing.
    """

    __tablename__ = "prompts"
    __table_args__ = (Index("ix_prompts_project_split", "project_id", "split_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    messages: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    split_key: Mapped[str] = mapped_column(String(64))
    """Near-duplicates share it; it decides between train, validation and test, for ever."""
    external_id: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Completion(Base):
    """One answer to a prompt. The id is derived from the prompt, the text and the source."""

    __tablename__ = "completions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    prompt_id: Mapped[UUID] = mapped_column(ForeignKey("prompts.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(String(200))
    """The model or person who wrote it. Never shown to an annotator."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Demonstration(Base):
    """A completion written as an example to imitate (SFT); it is not compared."""

    __tablename__ = "demonstrations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    prompt_id: Mapped[UUID] = mapped_column(ForeignKey("prompts.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def _some(name: str, condition: str) -> Index:
    """An index over those comparisons of a project for which the condition holds."""
    where = text(condition)
    return Index(name, "project_id", "priority", "id", sqlite_where=where, postgresql_where=where)


class Comparison(Base):
    """A prompt with K >= 2 of its completions, to be judged. The id is derived from their ids."""

    __tablename__ = "comparisons"
    __table_args__ = (
        CheckConstraint("kind IN ('normal', 'gold')", name="kind"),
        CheckConstraint("overlap IS NULL OR overlap >= 1", name="overlap_positive"),
        # What serves the queue (`services/queue_order.py`): open ones, those for one group apart.
        Index(
            "ix_comparisons_walk",
            "project_id",
            "restricted_to",
            "priority",
            "id",
            sqlite_where=text("open_slots > 0"),
            postgresql_where=text("open_slots > 0"),
        ),
        Index(
            "ix_comparisons_gold_round",
            "project_id",
            "id",
            sqlite_where=text("kind = 'gold'"),
            postgresql_where=text("kind = 'gold'"),
        ),
        # What serves the lists of an admin. Each is read backwards: most urgent first.
        _some("ix_comparisons_queue", "open_slots > 0"),
        _some("ix_comparisons_judged", "judged > 0"),
        _some("ix_comparisons_contested", "contested"),
        _some("ix_comparisons_gold", "kind = 'gold'"),
        Index("ix_comparisons_project", "project_id", "priority", "id"),
        # Where annotators disagree, by how: the triage queue takes the best patterns first.
        Index(
            "ix_comparisons_split",
            "project_id",
            "n_first",
            "n_second",
            "n_tie",
            "n_both_bad",
            "id",
            sqlite_where=text("contested"),
            postgresql_where=text("contested"),
        ),
        Index(
            "ix_comparisons_restricted",
            "project_id",
            "restricted_to",
            sqlite_where=text("restricted_to IS NOT NULL"),
            postgresql_where=text("restricted_to IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    prompt_id: Mapped[UUID] = mapped_column(ForeignKey("prompts.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20), default="normal")
    priority: Mapped[int] = mapped_column(default=0)
    restricted_to: Mapped[str | None] = mapped_column(String(80))
    """The group of annotators who may judge it; None for all."""
    size: Mapped[int]
    """Its number of completions, K."""
    overlap: Mapped[int | None]
    """Judgments wanted here, where the project's policy does not decide it."""
    target: Mapped[int]
    """Judgments wanted now, by the project's policy (`rules/queue_policy.py`). 0 for gold, which
    everybody may judge and nobody waits for."""
    open_slots: Mapped[int]
    """Judgments still wanted beyond those given and those on lease."""
    judged: Mapped[int] = mapped_column(default=0)
    """Annotators who judged it, repeats not counted."""
    n_first: Mapped[int] = mapped_column(default=0)
    """Current judgments for the first of two completions, and so on below; 0 where size > 2."""
    n_second: Mapped[int] = mapped_column(default=0)
    n_tie: Mapped[int] = mapped_column(default=0)
    n_both_bad: Mapped[int] = mapped_column(default=0)
    contested: Mapped[bool] = mapped_column(default=False)
    """Two annotators gave different verdicts."""
    gold_verdict: Mapped[str | None] = mapped_column(String(20))
    """The known answer of a gold comparison: `preferred`, `tie` or `both_bad`."""
    gold_position: Mapped[int | None]
    """Where the gold verdict is `preferred`: the position of the completion it prefers."""
    sampling_probability: Mapped[float | None]
    """For a way of choosing comparisons that makes some likelier than others; there is none yet."""
    external_id: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    prompt: Mapped[Prompt] = relationship(lazy="raise")
    members: Mapped[list["ComparisonCompletion"]] = relationship(
        lazy="raise", order_by="ComparisonCompletion.position"
    )


class ComparisonCompletion(Base):
    """The completions of a comparison, in their canonical order (not the order shown)."""

    __tablename__ = "comparison_completions"
    __table_args__ = (UniqueConstraint("comparison_id", "completion_id"),)

    comparison_id: Mapped[UUID] = mapped_column(ForeignKey("comparisons.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    completion_id: Mapped[UUID] = mapped_column(ForeignKey("completions.id"), index=True)

    completion: Mapped[Completion] = relationship(lazy="raise")
