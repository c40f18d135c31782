"""Sums that are kept beside the rows they sum up, so that no page has to read millions of rows.

Each changes in the transaction that changes its rows, and equals what `services/full_tallies.py`
computes from all of them.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Date, ForeignKey, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class QueuePosition(Base):
    """Where an annotator is in a project's queue.

    Everyone walks it in the same direction, a block of comparisons at a time, and takes those of a
    block in an order of their own.
    """

    __tablename__ = "queue_positions"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotator_id: Mapped[UUID] = mapped_column(
        ForeignKey("annotators.id"), primary_key=True, index=True
    )
    issued: Mapped[int] = mapped_column(default=0)
    """Leases given so far; decides by the plan which of them are gold or a repeat."""
    priority: Mapped[int | None]
    block_start: Mapped[UUID | None]
    """The block holds the comparisons of `priority` with block_start >= id >= block_end."""
    block_end: Mapped[UUID | None]
    gold_after: Mapped[UUID | None]
    """The gold comparison that came last; they are gone round by id."""


class AnnotatorDay(Base):
    """What an annotator's current judgments of one day (UTC) in one project add up to."""

    __tablename__ = "annotator_days"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotator_id: Mapped[UUID] = mapped_column(
        ForeignKey("annotators.id"), primary_key=True, index=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    judged: Mapped[int] = mapped_column(default=0)
    """All judgments, gold and repeats too."""
    counted: Mapped[int] = mapped_column(default=0)
    """Those that agreement and exports are made of; the rest of the row is about these."""
    preferred: Mapped[int] = mapped_column(default=0)
    tie: Mapped[int] = mapped_column(default=0)
    both_bad: Mapped[int] = mapped_column(default=0)
    ranking: Mapped[int] = mapped_column(default=0)
    sided: Mapped[int] = mapped_column(default=0)
    """Verdicts for one of two sides that are known to have been shown."""
    first_side: Mapped[int] = mapped_column(default=0)
    """Those of them for side A."""
    shared: Mapped[int] = mapped_column(default=0)
    """Judgments of comparisons that others judged too."""
    credit: Mapped[int] = mapped_column(BigInteger, default=0)
    """Sum over them of the share of the others with the same verdict, in units of 1/720720."""
    skipped: Mapped[int] = mapped_column(default=0)


class VoteCount(Base):
    """How many comparisons of two completions got these numbers of labels.

    Split by the first byte of the prompt's id: what belongs to one prompt stays together, and many
    who judge at once rarely meet in one row.
    """

    __tablename__ = "vote_counts"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    prompt_group: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n_first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n_second: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n_tie: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n_both_bad: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    comparisons: Mapped[int]


class ProjectContent(Base):
    """How much a project holds. Imports change it."""

    __tablename__ = "project_contents"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    prompts: Mapped[int] = mapped_column(default=0)
    completions: Mapped[int] = mapped_column(default=0)
    demonstrations: Mapped[int] = mapped_column(default=0)
    comparisons: Mapped[int] = mapped_column(default=0)
