"""Agreement of a project's annotators on rankings of more than two completions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment, Verdict
from app.models.projects import Comparison, Project
from app.models.tallies import AnnotatorDay
from app.rules.ranking_agreement import RankingReport, Ranks, measure_rankings
from app.services.current import counts_for

Ranking = list[list[str]]
"""Groups of completions, the best first."""


def for_project(session: Session, project: Project) -> RankingReport | None:
    """Over the rankings that agreement counts, the first of each annotator on a comparison;
    intervals resample prompts. None where nobody ranked."""
    ranked = session.scalar(
        select(func.sum(AnnotatorDay.ranking)).where(AnnotatorDay.project_id == project.id)
    )
    if not ranked:
        return None
    rankings: defaultdict[UUID, dict[UUID, Ranking]] = defaultdict(dict)
    prompts: dict[UUID, UUID] = {}
    for comparison, prompt, annotator, ranking in session.execute(
        select(Comparison.id, Comparison.prompt_id, Judgment.annotator_id, Judgment.ranking)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(*counts_for(project), Judgment.verdict == Verdict.RANKING)
        .order_by(Comparison.id, Judgment.received_at, Judgment.id)
    ):
        assert ranking is not None, "the verdict says that there is one"
        rankings[comparison].setdefault(annotator, ranking)
        prompts[comparison] = prompt
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts.values()))}
    return measure_rankings(
        [_ranks(given.values()) for given in rankings.values()],
        np.array([numbers[prompt] for prompt in prompts.values()], dtype=np.int64),
    )


def _ranks(rankings: Iterable[Ranking]) -> Ranks:
    """(m, K): the place of each completion's group, 1 for the best, in every row's same order."""
    places = [
        {completion: place for place, group in enumerate(ranking, 1) for completion in group}
        for ranking in rankings
    ]
    return np.array([[of[completion] for completion in sorted(of)] for of in places], dtype=float)
