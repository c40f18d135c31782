"""What judgments of comparisons add to a project's sums about agreement and about sources.

Agreement is kept twice where a comparison has more than two judgments: of all, and of the first
two. Where more are asked for because the first ones conflict, only the first two are a fair sample
(STATISTICS 6.3).

Every table is the sum over comparisons of a function of that comparison's current judgments, so a
changed comparison changes the sums by what it adds after less what it added before. Comparisons of
two completions only; labels are canonical, whatever side showed them.
"""

from __future__ import annotations

import numpy as np

from app.rules import annotator_sums, sparse_sums
from app.rules.judged_batch import BOTH_BAD, RANKING, TIE, Batch, Flags
from app.rules.sparse_sums import Integers, SparseSums
from app.rules.tallies import FIRST

LABELS = ("first", "second", "tie", "both_bad")
GRADES = (-3, -2, -1, 0, 1, 2, 3)
"""From the first completion is much better, over a tie, to the second is much better."""
UNGRADED = ("first", "second", "both_bad")
"""A preference without a strength and `both_bad` have no place on the scale."""
LABEL_OF = (0, 0, 0, 2, 1, 1, 1, 0, 1, 3)
"""The place in LABELS of every column of a pattern: GRADES, then UNGRADED."""
_TURNED = (6, 5, 4, 3, 2, 1, 0, 8, 7, 9)
"""The columns of a pattern when the two completions change places."""
UP_TO_FIRST, ALL_OF_MORE, FIRST_OF_MORE = range(3)
"""What a pattern counts: all judgments of a comparison that has at most FIRST; all of one that has
more; the FIRST of that one."""
Tables = dict[str, SparseSums]


def sums_of(batch: Batch, some: Flags) -> Tables:
    """What some judgments of a batch add, as if there were no others."""
    current = batch.current(some)
    counted = batch.counted(current)
    of_two = batch.compared.size[batch.judged.comparison[counted]] == 2
    rows = counted[of_two & (batch.judged.says[counted] < RANKING)]
    labels = _labels(batch.judged.says[rows])
    return {
        **_agreement(batch, rows, labels),
        "pairs": _pairs(batch, rows, labels),
        "wins": _wins(batch, rows, labels),
        **annotator_sums.sums_of(batch, current, counted, rows),
    }


def _labels(says: Integers) -> Integers:
    """Indices into LABELS."""
    return np.select([says == TIE, says == BOTH_BAD], [2, 3], says).astype(np.int64)


def _agreement(batch: Batch, rows: Integers, labels: Integers) -> Tables:
    """Comparisons by dimension, value, what is counted, part and pattern: judgments by GRADES, then
    UNGRADED."""
    n = np.bincount(batch.judged.comparison[rows], minlength=len(batch.compared.part))
    has_more = (n > FIRST)[batch.judged.comparison[rows]]
    strength = _mean_strength(batch, rows, labels)
    first = has_more & batch.among_first(rows, FIRST)
    found = [
        _counting(batch, rows[some], labels[some], strength, counted)
        for counted, some in (
            (UP_TO_FIRST, ~has_more), (ALL_OF_MORE, has_more), (FIRST_OF_MORE, first),
        )
    ]  # fmt: skip
    return {
        name: sparse_sums.summed(
            np.concatenate([tables[name].keys for tables in found]),
            np.concatenate([tables[name].values for tables in found]),
        )
        for name in found[0]
    }


def _counting(
    batch: Batch, rows: Integers, labels: Integers, strength: Integers, counted: int
) -> Tables:
    judged, compared = batch.judged, batch.compared
    comparison, column = judged.comparison[rows], _columns(judged.strength[rows], labels)
    keys, _, counts = _patterns(comparison, np.zeros_like(rows), column)
    tag, tagged = _per_tag(batch, keys)
    low, high, is_turned = _sorted_sources(batch, keys)
    turned = np.where(is_turned[:, None], counts[:, _TURNED], counts)
    graded = np.flatnonzero(strength[keys])
    part = compared.part[keys]
    found = {
        "all": _slices([], counted, part, counts),
        "tag": _slices([tag], counted, part[tagged], counts[tagged]),
        "sources": _slices([low, high], counted, part, turned),
        "strength": _slices([strength[keys][graded]], counted, part[graded], counts[graded]),
    }
    for name, values in (("guideline", judged.guideline), ("week", judged.week)):
        of, value, counts = _patterns(comparison, values[rows], column)
        found[name] = _slices([value], counted, compared.part[of], counts)
    return found


def _columns(strength: Integers, labels: Integers) -> Integers:
    """The place of each judgment in GRADES, then UNGRADED."""
    sign = np.where(labels == 0, -1, 1)
    preferred = np.where(strength > 0, 3 + sign * strength, 7 + labels)
    return np.select([labels < 2, labels == 2], [preferred, 3], 9).astype(np.int64)


def _patterns(
    comparison: Integers, value: Integers, column: Integers
) -> tuple[Integers, Integers, Integers]:
    """Judgments counted by comparison and value: these two, and (N, 10) counts."""
    sums = sparse_sums.of_columns([comparison, value, column], [np.ones_like(column)])
    both, where = sums.by_first(2)
    counts = np.zeros((len(both), len(LABEL_OF)), np.int64)
    counts[where, sums.keys[:, 2]] = sums.values[:, 0]
    return both[:, 0], both[:, 1], counts


def _slices(value: list[Integers], counted: int, part: Integers, counts: Integers) -> SparseSums:
    return sparse_sums.of_columns(
        [*value, np.full_like(part, counted), part, *counts.T], [np.ones_like(part)]
    )


def _per_tag(batch: Batch, keys: Integers) -> tuple[Integers, Integers]:
    """A tag and the place of its comparison in `keys`, for every tag of every comparison there."""
    place = np.full(len(batch.compared.part), -1, np.int64)
    place[keys] = np.arange(len(keys))
    places = place[batch.tags[:, 0]]
    there = places >= 0
    return batch.tags[there, 1], places[there]


def _sorted_sources(batch: Batch, keys: Integers) -> tuple[Integers, Integers, Flags]:
    """The sources of each comparison in the order of their names, and whether that turns them."""
    first, second = batch.compared.sources[keys].T
    is_turned: Flags = batch.source_order[first] > batch.source_order[second]
    return np.where(is_turned, second, first), np.where(is_turned, first, second), is_turned


def _mean_strength(batch: Batch, rows: Integers, labels: Integers) -> Integers:
    """(C,): the rounded mean strength, half a step up, of every comparison's decisive judgments
    that have one; 0 where none has."""
    strength = batch.judged.strength[rows]
    with_strength = (labels < 2) & (strength > 0)
    comparison = batch.judged.comparison[rows][with_strength]
    n = np.bincount(comparison, minlength=len(batch.compared.part))
    total = np.zeros_like(n)
    np.add.at(total, comparison, strength[with_strength])
    return np.where(n > 0, (2 * total + n) // np.maximum(2 * n, 1), 0)


def _pairs(batch: Batch, rows: Integers, labels: Integers) -> SparseSums:
    """Comparisons by two annotators, the first by id first, and the labels they gave."""
    comparison, annotator = batch.judged.comparison[rows], batch.judged.annotator[rows]
    lefts, rights = [], []
    for distance in range(1, len(rows)):
        left = np.flatnonzero(comparison[distance:] == comparison[:-distance])
        if len(left) == 0:
            break
        lefts.append(left)
        rights.append(left + distance)
    a = np.concatenate([np.zeros(0, np.int64), *lefts])
    b = np.concatenate([np.zeros(0, np.int64), *rights])
    rank = batch.annotator_order[annotator]
    a, b = np.where(rank[a] < rank[b], a, b), np.where(rank[a] < rank[b], b, a)
    return sparse_sums.of_columns(
        [annotator[a], annotator[b], labels[a], labels[b]], [np.ones_like(a)]
    )


def _wins(batch: Batch, rows: Integers, labels: Integers) -> SparseSums:
    """By two different sources, the first by name first, and part: judgments for the one, for the
    other, ties, both bad."""
    comparison = batch.judged.comparison[rows]
    low, high, is_turned = _sorted_sources(batch, comparison)
    label = np.where(is_turned & (labels < 2), 1 - labels, labels)
    differ = low != high
    part = batch.compared.part[comparison]
    return sparse_sums.of_columns(
        [low[differ], high[differ], part[differ]],
        [label[differ] == k for k in range(len(LABELS))],
    )
