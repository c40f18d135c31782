"""One line for each annotator of a project: pace, side bias, agreement with the others."""

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.accounts import Annotator
from app.models.judgments import Judgment, Skip
from app.models.projects import Comparison, Project
from app.rules.bootstrap import Statistic
from app.rules.proportions import wilson
from app.services.current import counts_for


@dataclass(frozen=True, kw_only=True)
class AnnotatorRow:
    name: str
    kind: str
    judgments: int
    ties: int
    skips: int
    median_active_ms: int | None
    left_rate: Statistic
    """Share of verdicts for the left side among those for a side; unknown for imported ones."""
    agreement_with_others: Statistic
    """Mean share of the others on the same comparison who gave the same verdict; n counts the
    comparisons that others judged too."""
    last_judged_at: datetime


class _Vote(NamedTuple):
    annotator_id: UUID
    comparison_id: UUID
    verdict: str
    preferred_id: UUID | None
    shown_order: list[str] | None
    """None for an imported judgment, whose sides nobody recorded."""
    active_ms: int | None
    received_at: datetime

    @property
    def label(self) -> str:
        return self.preferred_id.hex if self.preferred_id else self.verdict


def for_project(session: Session, project: Project) -> list[AnnotatorRow]:
    """Everybody who judged, most judgments first."""
    by_annotator: dict[UUID, list[_Vote]] = defaultdict(list)
    labels: dict[UUID, Counter[str]] = defaultdict(Counter)
    for vote in _votes(session, project):
        by_annotator[vote.annotator_id].append(vote)
        labels[vote.comparison_id][vote.label] += 1
    skips = dict(
        session.execute(
            select(Skip.annotator_id, func.count())
            .where(Skip.project_id == project.id)
            .group_by(Skip.annotator_id)
        ).all()
    )
    judged_here = select(Judgment.annotator_id).where(Judgment.project_id == project.id)
    people = session.scalars(select(Annotator).where(Annotator.id.in_(judged_here)))
    rows = [
        _row(person, by_annotator[person.id], labels, skips.get(person.id, 0))
        for person in people
        if person.id in by_annotator
    ]
    return sorted(rows, key=lambda row: (-row.judgments, row.name))


def _votes(session: Session, project: Project) -> list[_Vote]:
    rows = session.execute(
        select(
            Judgment.annotator_id,
            Judgment.comparison_id,
            Judgment.verdict,
            Judgment.preferred_id,
            Judgment.shown_order,
            Judgment.active_ms,
            Judgment.received_at,
            Judgment.assignment_id,
        )
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(*counts_for(project))
        .order_by(Judgment.received_at)
    )
    return [
        _Vote(annotator, comparison, verdict, preferred, order if assignment else None, ms, at)
        for annotator, comparison, verdict, preferred, order, ms, at, assignment in rows
    ]


def _row(
    person: Annotator, votes: list[_Vote], labels: dict[UUID, Counter[str]], skips: int
) -> AnnotatorRow:
    sided = [
        (vote.preferred_id.hex, vote.shown_order[0])
        for vote in votes
        if vote.preferred_id and vote.shown_order
    ]
    shared = [vote for vote in votes if labels[vote.comparison_id].total() > 1]
    credit = sum(
        (labels[vote.comparison_id][vote.label] - 1) / (labels[vote.comparison_id].total() - 1)
        for vote in shared
    )
    active = [vote.active_ms for vote in votes if vote.active_ms is not None]
    return AnnotatorRow(
        name=person.name,
        kind=person.kind,
        judgments=len(votes),
        ties=sum(vote.preferred_id is None for vote in votes),
        skips=skips,
        median_active_ms=round(statistics.median(active)) if active else None,
        left_rate=wilson(
            sum(preferred == left for preferred, left in sided),
            len(sided),
            undefined="no_shown_sides",
        ),
        agreement_with_others=wilson(credit, len(shared), undefined="no_overlap"),
        last_judged_at=votes[-1].received_at,
    )
