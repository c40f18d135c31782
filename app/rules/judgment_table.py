"""Judgments as numbers, and the counts of labels that coefficients work on."""

from dataclasses import dataclass

import numpy as np

from app.rules.bootstrap import Integers
from app.rules.coefficients import Counts, leave_one_out_credit

_FEW_KEYS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Judgments:
    """At most one label of each annotator on each item; (M,) codes that count from 0."""

    items: Integers
    annotators: Integers
    labels: Integers
    n_items: int
    n_annotators: int
    n_labels: int


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Items by their counts of labels: most of a million items have one of a few dozen."""

    counts: Counts
    """(P, q): the distinct rows, in ascending order."""
    items: Integers
    """(P,): how many items have each."""
    of_item: Integers
    """(N,): the row of each item."""


def first_of_each(items: Integers, annotators: Integers) -> Integers:
    """Where each annotator's first judgment of each item is, in the order given."""
    width = int(annotators.max(initial=0)) + 1
    _, first = np.unique(items * width + annotators, return_index=True)
    return np.sort(first)


def count_patterns(judgments: Judgments) -> Patterns:
    """(N, q) counts take n_items * n_labels * 8 bytes on the way."""
    n, q = judgments.n_items, judgments.n_labels
    cells = judgments.items * q + judgments.labels
    return patterns_of(np.bincount(cells, minlength=n * q).reshape(n, q))


def patterns_of(counts: Counts) -> Patterns:
    """The distinct rows of (N, q) counts."""
    base, q = int(counts.max(initial=0)) + 1, counts.shape[1]
    if base**q >= 2**62:
        rows, of_item, items = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
        return Patterns(counts=rows, items=items, of_item=of_item.reshape(-1))
    # A row read as the digits of one number sorts as the row does, and much faster.
    digits = np.array([base**k for k in reversed(range(q))], dtype=np.int64)
    keys = counts @ digits
    if base**q <= _FEW_KEYS:
        times = np.bincount(keys, minlength=base**q)
        distinct = np.flatnonzero(times)
        places = np.cumsum(times > 0) - 1
        of_item, items = places[keys], times[distinct]
    else:
        distinct, of_item, items = np.unique(keys, return_inverse=True, return_counts=True)
    return Patterns(counts=distinct[:, None] // digits % base, items=items, of_item=of_item)


def leave_one_out_by_annotator(
    judgments: Judgments, patterns: Patterns
) -> tuple[Integers, list[float | None]]:
    """(R,) judgments of each annotator on items that somebody else judged too, and their mean
    credit against the modes of the others; None without such judgments."""
    overlap = patterns.counts.sum(axis=1) > 1
    mode = np.full(len(overlap), -1, dtype=np.int64)
    credit = np.zeros(len(overlap))
    if overlap.any():
        mode[overlap], credit[overlap] = leave_one_out_credit(patterns.counts[overlap])
    pattern = patterns.of_item[judgments.items]
    r = judgments.n_annotators
    n = np.bincount(judgments.annotators, weights=overlap[pattern], minlength=r).astype(np.int64)
    earned = np.bincount(
        judgments.annotators,
        weights=np.where(mode[pattern] == judgments.labels, credit[pattern], 0.0),
        minlength=r,
    )
    return n, [float(e) / int(k) if k else None for e, k in zip(earned, n, strict=True)]
