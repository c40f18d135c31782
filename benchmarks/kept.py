"""A project's kept sums over made-up judgments, and how the server folds one more into them.

Comparisons of two completions: their sources, lengths, tags and weeks follow from their numbers.
Reading rows and writing the state are left out.
"""

from __future__ import annotations

import numpy as np

from app.rules.agreement import estimate
from app.rules.bootstrap import Resampling
from app.rules.contributions import sums_of
from app.rules.judged_batch import PARTS, TIE, UNKNOWN, Batch, Compared, Flags, Judged
from app.rules.judgment_table import Judgments
from app.rules.krippendorff import krippendorff_alpha_nominal
from app.rules.project_statistics import ProjectStatistics
from app.rules.project_sums import ProjectSums

SAYS = np.array([0, 1, TIE])
"""What the labels 0, 1 and 2 say."""
SOURCES, TAGS, WEEKS = 3, 5, 26


def batch_of(judgments: Judgments) -> Batch:
    """These judgments, comparison by comparison; within one they keep their order."""
    order = np.argsort(judgments.items, kind="stable")
    annotator, label = judgments.annotators[order], judgments.labels[order]
    items, comparison = np.unique(judgments.items[order], return_inverse=True)
    nothing = np.zeros_like(annotator)
    return Batch(
        compared=Compared(
            part=items % PARTS,
            size=np.full_like(items, 2),
            gold=np.zeros(len(items), np.bool_),
            gold_says=np.full_like(items, UNKNOWN),
            sources=np.column_stack([items % SOURCES, (items + 1) % SOURCES]),
            characters=np.column_stack([100 + items % 701, 100 + items % 907]),
            markdown=np.column_stack([items % 2 == 0, items % 3 == 0]),
            words=20 + items % 301,
        ),
        judged=Judged(
            comparison=comparison,
            annotator=annotator,
            kind=nothing,
            says=SAYS[label],
            best=SAYS[label],
            strength=np.where(label < 2, 1 + annotator % 3, 0),
            first_shown=annotator % 2,
            layout=nothing,
            guideline=nothing,
            week=2900 + items[comparison] % WEEKS,
            active_ms=5_000 + 100 * annotator,
            late=np.zeros(len(annotator), np.bool_),
            supersedes=nothing - 1,
        ),
        tags=np.column_stack([np.arange(len(items)), items % TAGS]),
        reasons=np.zeros((0, 2), np.int64),
        annotator_order=np.arange(judgments.n_annotators),
        source_order=np.arange(SOURCES),
    )


def kept_sums(judgments: Judgments) -> ProjectSums:
    return fold(ProjectSums(), batch_of(judgments), np.zeros(len(judgments.items), np.bool_))


def with_one_more(judgments: Judgments, item: int, label: int) -> Judgments:
    """The item's judgments and, last, one of an annotator who has not judged it."""
    rows = np.flatnonzero(judgments.items == item)
    who = judgments.annotators[rows]
    other = np.setdiff1d(np.arange(judgments.n_annotators), who)[:1]
    return Judgments(
        items=np.full(len(rows) + 1, item),
        annotators=np.concatenate([who, other]),
        labels=np.concatenate([judgments.labels[rows], [label]]),
        n_items=judgments.n_items,
        n_annotators=judgments.n_annotators,
        n_labels=judgments.n_labels,
    )


def fold(sums: ProjectSums, batch: Batch, before: Flags) -> ProjectSums:
    """The sums with what all judgments of a batch add in place of what those `before` added, as in
    `app/services/statistics.py`."""
    return sums.replaced(
        sums_of(batch, before),
        sums_of(batch, np.ones_like(before)),
        folded=int((~before).sum()),
    )


def kept_alpha(sums: ProjectSums) -> float | None:
    table = ProjectStatistics(sums, waiting=0).table()
    wanted = {"alpha": krippendorff_alpha_nominal(table.counts)}
    return estimate(table, wanted, Resampling(replicates=0))["alpha"].value
