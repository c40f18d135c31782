"""How reliable a project's annotators are, for the labels of its exports."""

from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment
from app.models.projects import Comparison, Project
from app.rules.soft_labels import Reliability, reliability
from app.services.current import counts_for

_BATCH = 10_000


def read(session: Session, project: Project) -> Reliability[UUID]:
    """From the judgments that count and prefer one completion of two.

    Only comparisons that two or more judged are read: others tell nothing of reliability.
    """
    query = (
        select(Judgment.comparison_id, Judgment.annotator_id, Judgment.preferred_id)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(
            *counts_for(project),
            Comparison.size == 2,
            Comparison.judged > 1,
            Judgment.preferred_id.is_not(None),
        )
        .order_by(Judgment.comparison_id, Judgment.annotator_id, Judgment.id)
        .execution_options(yield_per=_BATCH)
    )
    comparisons: dict[UUID, tuple[int, UUID | None]] = {}
    annotators: dict[UUID, int] = {}
    columns: tuple[list[int], list[int], list[int]] = ([], [], [])
    for comparison_id, annotator_id, preferred_id in session.execute(query):
        # Which of the two is called 0 does not matter; here the one that was named first.
        item, zero = comparisons.setdefault(comparison_id, (len(comparisons), preferred_id))
        who = annotators.setdefault(annotator_id, len(annotators))
        for column, value in zip(columns, (item, who, int(preferred_id != zero)), strict=True):
            column.append(value)
    items, people, labels = (np.array(column, dtype=np.int64) for column in columns)
    return reliability(items, people, labels, list(annotators))
