"""Rankings as rows of the database."""

from __future__ import annotations

from typing import Any

from helpers.data import NOON
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion


def rank(session: Session, number: int, name: str, ranking: str, **changed: Any) -> Judgment:
    """A judgment that ranks the responses a, b and c; "b=c a" puts two of them before a."""
    ids = {
        completion.text[0]: completion.id
        for completion in session.scalars(
            select(Completion).where(Completion.text.in_(f"{c} {number}" for c in "abc"))
        )
    }
    comparison = session.scalars(
        select(Comparison)
        .join(ComparisonCompletion, ComparisonCompletion.comparison_id == Comparison.id)
        .where(ComparisonCompletion.completion_id == ids["a"])
    ).one()
    values = {"received_at": NOON, "kind": "normal"} | changed
    judgment = Judgment(
        project_id=comparison.project_id,
        comparison_id=comparison.id,
        annotator_id=session.scalars(select(Annotator.id).where(Annotator.name == name)).one(),
        shown_order=[key.hex for key in ids.values()],
        idempotency_key=f"{number} {ranking}",
        verdict="ranking",
        ranking=[[ids[c].hex for c in group.split("=")] for group in ranking.split()],
        **values,
    )
    session.add(judgment)
    session.flush()
    return judgment
