"""Judgments of comparisons of two completions, as statistics take them, from a few numbers."""

from collections.abc import Sequence

import numpy as np

from app.rules.contributions import sums_of
from app.rules.judged_batch import UNKNOWN, Batch, Compared, Judged
from app.rules.project_statistics import ProjectStatistics
from app.rules.project_sums import ProjectSums


def batch_of(
    says: Sequence[Sequence[int]],
    *,
    parts: Sequence[int] | None = None,
    supersedes: Sequence[int] | None = None,
) -> Batch:
    """`says` has the judgments of each comparison in the order in which they came, each by another
    annotator; `supersedes` counts all of them."""
    comparison = np.repeat(np.arange(len(says)), [len(given) for given in says])
    who = np.concatenate([np.arange(len(given)) for given in says])
    if supersedes is not None:
        for i, before in enumerate(supersedes):
            who[i] = who[before] if before >= 0 else who[i]
    said = np.concatenate([np.array(given, np.int64) for given in says])
    nothing, of_two = np.zeros_like(comparison), np.zeros((len(says), 2), np.int64)
    return Batch(
        compared=Compared(
            part=np.array(np.arange(len(says)) % 256 if parts is None else parts),
            size=np.full(len(says), 2),
            gold=np.zeros(len(says), np.bool_),
            gold_says=np.full(len(says), UNKNOWN),
            sources=of_two,
            characters=of_two + 100,
            markdown=of_two > 0,
            words=np.full(len(says), 50),
        ),
        judged=Judged(
            comparison=comparison,
            annotator=who,
            kind=nothing,
            says=said,
            best=said,
            strength=nothing,
            first_shown=nothing + UNKNOWN,
            layout=nothing,
            guideline=nothing,
            week=nothing,
            active_ms=nothing - 1,
            late=nothing > 0,
            supersedes=nothing - 1 if supersedes is None else np.array(supersedes),
        ),
        tags=np.zeros((0, 2), np.int64),
        reasons=np.zeros((0, 2), np.int64),
        annotator_order=np.arange(who.max(initial=0) + 1),
        source_order=np.arange(1),
    )


def statistics_of_batch(batch: Batch) -> ProjectStatistics:
    tables = sums_of(batch, np.ones(len(batch.judged.says), np.bool_))
    return ProjectStatistics(ProjectSums().plus(tables), waiting=0)
