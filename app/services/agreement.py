"""Agreement of a project's annotators: counts the judgments and hands the counts to the rules."""

from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Project
from app.rules.agreement import AgreementReport, measure
from app.services.current import is_current

LABELS = ("first", "second", "tie", "both_bad")
"""Canonical: `first` and `second` are the comparison's completions, whatever side showed them."""
TIES = ("tie", "both_bad")


def for_project(session: Session, project: Project) -> AgreementReport:
    """Agreement over the comparisons of two completions. Gold items and repeats are left out."""
    third = aliased(ComparisonCompletion)
    of_two = select(Comparison.id).where(
        Comparison.project_id == project.id,
        Comparison.kind == "normal",
        ~exists().where(third.comparison_id == Comparison.id, third.position == 2),
    )
    counted = (
        Judgment.project_id == project.id,
        Judgment.kind == "normal",
        is_current(),
        Judgment.comparison_id.in_(of_two),
    )
    prompts, counts = _counts(session, counted)
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    groups = np.array([numbers[prompt] for prompt in prompts], dtype=np.int64)
    annotators = session.scalar(
        select(func.count(Judgment.annotator_id.distinct())).where(*counted)
    )
    return measure(counts, groups, LABELS, TIES, annotators or 0)


def _counts(
    session: Session, counted: tuple[ColumnElement[bool], ...]
) -> tuple[list[UUID], NDArray[np.int64]]:
    """The prompt of each judged comparison, and (N, 4) how often each of LABELS was given to it."""
    given = (
        select(
            Judgment.comparison_id,
            Judgment.verdict,
            Judgment.preferred_id,
            func.count().label("n"),
        )
        .where(*counted)
        .group_by(Judgment.comparison_id, Judgment.verdict, Judgment.preferred_id)
        .subquery()
    )
    says = (
        ComparisonCompletion.position == 0,
        ComparisonCompletion.position == 1,
        given.c.verdict == Verdict.TIE,
        given.c.verdict == Verdict.BOTH_BAD,
    )
    rows = session.execute(
        select(
            Comparison.prompt_id, *(func.sum(case((label, given.c.n), else_=0)) for label in says)
        )
        .join(given, given.c.comparison_id == Comparison.id)
        .outerjoin(
            ComparisonCompletion,
            (ComparisonCompletion.comparison_id == Comparison.id)
            & (ComparisonCompletion.completion_id == given.c.preferred_id),
        )
        .group_by(Comparison.id, Comparison.prompt_id)
        .order_by(Comparison.id)
    ).all()
    counts = np.array([row[1:] for row in rows], dtype=np.int64).reshape(-1, len(LABELS))
    return [row[0] for row in rows], counts
