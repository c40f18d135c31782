"""Published tables, and slow formulas of agreement that write out every judgment."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.rules.bootstrap import Statistic, Summed, bootstrap
from app.rules.judgment_table import Judgments

Counts = NDArray[np.int64]

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers,
# twelve units, missing values. Alpha is 0.743 nominal, 0.815 ordinal, 0.849 interval. Gwet takes
# the same ratings as an example of AC1: 0.775 (Handbook of Inter-Rater Reliability, 2014).
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]

# Fleiss, "Measuring nominal scale agreement among many raters" (1971), table 1: diagnoses of
# thirty patients by six psychiatrists each. Kappa is 0.430.
FLEISS_1971 = np.array(
    [
        [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
        [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
        [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
        [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3],
        [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1],
        [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
    ]
)  # fmt: skip

# The example of many textbooks (and of Wikipedia): ten subjects, fourteen raters. Kappa is 0.210.
FLEISS_FOURTEEN = np.array(
    [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]
)  # fmt: skip

# Cohen, "Weighted kappa" (1968), table 1, of 200 subjects. Kappa is 0.492.
COHEN_1968 = np.array([[88, 10, 2], [14, 40, 6], [18, 10, 12]])


def count_tables(labels: int = 3, *, most: int = 4, items: int = 30) -> st.SearchStrategy[Counts]:
    row = st.lists(st.integers(0, most), min_size=labels, max_size=labels)
    return st.lists(row, min_size=1, max_size=items).map(lambda rows: np.array(rows, np.int64))


def counts_of(observers: Sequence[Sequence[int | None]], labels: Iterable[int]) -> Counts:
    return np.array(
        [[sum(o[i] == k for o in observers) for k in labels] for i in range(len(observers[0]))],
        dtype=np.int64,
    )


def judgments_of(observers: Sequence[Sequence[int | None]], n_labels: int) -> Judgments:
    """Observers are rows, labels count from 0."""
    given = [
        (item, annotator, label)
        for annotator, row in enumerate(observers)
        for item, label in enumerate(row)
        if label is not None
    ]
    items, annotators, labels = np.array(given, dtype=np.int64).reshape(-1, 3).T
    return Judgments(
        items=items,
        annotators=annotators,
        labels=labels,
        n_items=len(observers[0]),
        n_annotators=len(observers),
        n_labels=n_labels,
    )


def estimated(summed: Summed, groups: Counts | None = None) -> Statistic:
    """Each row is one item, a unit of its own unless `groups` says otherwise."""
    return bootstrap([summed], groups, np.ones(len(summed.rows), dtype=np.int64))[0]


def labels_of(row: Sequence[int]) -> list[int]:
    """The labels of an item, written out."""
    return [k for k, n in enumerate(row) for _ in range(n)]


def mean_over_overlap(counts: Counts, share) -> float | None:
    """The mean of `share(labels)` over the items with two labels or more."""
    found = [share(labels_of(row)) for row in counts if sum(row) > 1]
    return sum(found) / len(found) if found else None


def share_of_equal_pairs(labels: list[int]) -> float:
    pairs = list(itertools.combinations(labels, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


def mean_shares(counts: Counts) -> list[float]:
    """The share of each label, averaged over the items with a label."""
    rows = [[n / sum(row) for n in row] for row in counts if sum(row)]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def modes(labels: list[int]) -> list[int]:
    most = max(map(labels.count, labels))
    return sorted({k for k in labels if labels.count(k) == most})
