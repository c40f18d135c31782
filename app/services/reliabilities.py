"""How reliable a project's annotators are, for the labels of its exports."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.models.projects import Comparison, Project
from app.rules.soft_labels import Reliability, reliability
from app.services import counted_judgments


def read(session: Session, project: Project) -> Reliability[UUID]:
    """From the judgments that count and prefer one completion of two.

    Only comparisons that two or more judged are read: others tell nothing of reliability.
    """
    judged = counted_judgments.read(session, project, Comparison.judged > 1)
    decisive = judged.labels < 2
    items, annotators, labels = (
        values[decisive] for values in (judged.items, judged.annotators, judged.labels)
    )
    return reliability(items, annotators, labels, judged.people)
