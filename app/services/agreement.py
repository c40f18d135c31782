"""Agreement of a project's annotators: reads the judgments and hands counts to the rules."""

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Project
from app.rules.agreement import AgreementReport, measure
from app.services.current import counts_for

LABELS = ("first", "second", "tie", "both_bad")
"""Canonical: `first` and `second` are the comparison's completions, whatever side showed them."""
TIES = ("tie", "both_bad")


def for_project(session: Session, project: Project) -> AgreementReport:
    """Agreement over the comparisons of two completions, one judgment an annotator and item."""
    frame = _frame(session, project)
    items, names = pd.factorize(frame["comparison_id"])
    counts = np.zeros((len(names), len(LABELS)), dtype=np.int64)
    np.add.at(counts, (items, frame["label"].to_numpy(dtype=np.int64)), 1)
    groups = np.zeros(len(names), dtype=np.int64)
    groups[items] = pd.factorize(frame["prompt_id"])[0]
    return measure(counts, groups, LABELS, TIES, int(frame["annotator_id"].nunique()))


def _frame(session: Session, project: Project) -> pd.DataFrame:
    """One row a judgment: comparison_id, prompt_id, annotator_id, label (index into LABELS)."""
    third = aliased(ComparisonCompletion)
    more_than_two = exists().where(third.comparison_id == Comparison.id, third.position == 2)
    query = (
        select(
            Judgment.comparison_id,
            Comparison.prompt_id,
            Judgment.annotator_id,
            Judgment.verdict,
            ComparisonCompletion.position,
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .outerjoin(
            ComparisonCompletion,
            (ComparisonCompletion.comparison_id == Judgment.comparison_id)
            & (ComparisonCompletion.completion_id == Judgment.preferred_id),
        )
        .where(*counts_for(project), ~more_than_two)
        .order_by(Judgment.received_at, Judgment.id)
    )
    rows: list[Any] = list(session.execute(query))
    columns = ["comparison_id", "prompt_id", "annotator_id", "verdict", "position"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["label"] = frame["position"]
    for label in (Verdict.TIE, Verdict.BOTH_BAD):
        frame.loc[frame["verdict"] == label, "label"] = LABELS.index(label)
    return frame.drop_duplicates(["comparison_id", "annotator_id"])
