"""Agreement of a project's annotators on rankings of more than two completions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, Project
from app.models.tallies import AnnotatorDay
from app.rules.ranking_agreement import RankingReport, Ranks, measure_rankings
from app.services.current import is_current

Ranking = list[list[str]]
"""Groups of completions, the best first."""

MOST_COMPARISONS = 5000
"""Rankings are read one by one: those of so many comparisons in a quarter of a second."""


@dataclass(frozen=True, kw_only=True)
class ProjectRankings:
    report: RankingReport
    is_part: bool
    """Whether these are only the first MOST_COMPARISONS. Ids are hashes: they are a fair sample."""


def for_project(session: Session, project: Project) -> ProjectRankings | None:
    """Over the rankings that agreement counts, the first of each annotator on a comparison;
    intervals resample prompts. None where nobody ranked."""
    ranked = session.scalar(
        select(func.sum(AnnotatorDay.ranking)).where(AnnotatorDay.project_id == project.id)
    )
    if not ranked:
        return None
    judged = select(Comparison.id, Comparison.prompt_id).where(
        Comparison.project_id == project.id,
        Comparison.kind == "normal",
        Comparison.size > 2,
        Comparison.judged > 1,
    )
    some = judged.order_by(Comparison.id).limit(MOST_COMPARISONS).subquery()
    rankings: defaultdict[UUID, dict[UUID, Ranking]] = defaultdict(dict)
    prompts: dict[UUID, UUID] = {}
    for comparison, prompt, annotator, ranking in session.execute(
        select(some.c.id, some.c.prompt_id, Judgment.annotator_id, Judgment.ranking)
        .join(some, some.c.id == Judgment.comparison_id)
        .where(Judgment.kind == "normal", is_current(), Judgment.verdict == Verdict.RANKING)
        .order_by(some.c.id, Judgment.received_at, Judgment.id)
    ):
        assert ranking is not None, "the verdict says that there is one"
        rankings[comparison].setdefault(annotator, ranking)
        prompts[comparison] = prompt
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts.values()))}
    report = measure_rankings(
        [_ranks(given.values()) for given in rankings.values()],
        np.array([numbers[prompt] for prompt in prompts.values()], dtype=np.int64),
    )
    beyond = session.scalar(judged.order_by(Comparison.id).offset(MOST_COMPARISONS).limit(1))
    return ProjectRankings(report=report, is_part=beyond is not None)


def _ranks(rankings: Iterable[Ranking]) -> Ranks:
    """(m, K): the place of each completion's group, 1 for the best, in every row's same order."""
    places = [
        {completion: place for place, group in enumerate(ranking, 1) for completion in group}
        for ranking in rankings
    ]
    return np.array([[of[completion] for completion in sorted(of)] for of in places], dtype=float)
