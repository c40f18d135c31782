"""Agreement of a project's annotators: reads counts of labels and hands them to the rules.

A project of up to EXACT_UP_TO judged comparisons is read comparison by comparison, and its
intervals resample prompts. A larger one is read from the sums that are kept with each judgment
(`VoteCount`), which know of a comparison only in which of 256 random groups its prompt lies: the
values are the same, and intervals resample these groups. A group holds whole prompts, so what
belongs together stays together.
"""

import numpy as np
from sqlalchemy import Row, func, literal_column, select
from sqlalchemy.orm import Session

from app.models.projects import Comparison, Project
from app.models.tallies import AnnotatorDay, VoteCount
from app.rules.agreement import AgreementReport, Table, measure

LABELS = ("first", "second", "tie", "both_bad")
"""Canonical: `first` and `second` are the comparison's completions, whatever side showed them."""
TIES = ("tie", "both_bad")
ORDER = (0, 2, 1, 1)
"""For ordinal alpha: a tie of either kind lies between the two preferences."""
EXACT_UP_TO = 20_000


def for_project(session: Session, project: Project) -> AgreementReport:
    """Agreement over the comparisons of two completions. Gold items and repeats are left out."""
    judged = session.scalar(
        select(func.sum(VoteCount.comparisons)).where(VoteCount.project_id == project.id)
    )
    read = _by_prompt if (judged or 0) <= EXACT_UP_TO else _by_prompt_group
    annotators = _annotators(session, project)
    return measure(read(session, project), LABELS, TIES, annotators, order=ORDER)


def _by_prompt(session: Session, project: Project) -> Table:
    rows = session.execute(
        select(
            Comparison.prompt_id,
            Comparison.n_first,
            Comparison.n_second,
            Comparison.n_tie,
            Comparison.n_both_bad,
        )
        .where(
            Comparison.project_id == project.id,
            # As the index says it: its condition is matched by its words.
            literal_column("comparisons.judged > 0"),
            Comparison.kind == "normal",
            Comparison.size == 2,
        )
        .order_by(Comparison.id)
    ).all()
    counts = np.array([row[1:] for row in rows], dtype=np.int64).reshape(-1, len(LABELS))
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(row[0] for row in rows))}
    return Table(
        counts=counts,
        groups=np.array([numbers[row[0]] for row in rows], dtype=np.int64),
        items=np.ones(len(rows), dtype=np.int64),
        resampled="prompts",
    )


def _by_prompt_group(session: Session, project: Project) -> Table:
    rows: list[Row[tuple[int, ...]]] = list(
        session.execute(
            select(
                VoteCount.prompt_group,
                VoteCount.n_first,
                VoteCount.n_second,
                VoteCount.n_tie,
                VoteCount.n_both_bad,
                VoteCount.comparisons,
            ).where(VoteCount.project_id == project.id)
        )
    )
    table = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, len(LABELS) + 2)
    return Table(
        counts=table[:, 1:-1],
        groups=table[:, 0],
        items=table[:, -1],
        resampled="prompt_groups",
    )


def _annotators(session: Session, project: Project) -> int:
    """Those with a judgment that counts."""
    found = session.scalar(
        select(func.count(AnnotatorDay.annotator_id.distinct())).where(
            AnnotatorDay.project_id == project.id, AnnotatorDay.counted > 0
        )
    )
    return found or 0
