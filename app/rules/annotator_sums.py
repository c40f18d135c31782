"""What judgments of comparisons add to the sums about each annotator.

Sides, length and layout of text are looked at where a completion of two was preferred; sides and
lengths only where the order shown is known. Times are those of all judgments, planted ones too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.rules import sparse_sums
from app.rules.judged_batch import BOTH_BAD, RANKING, REPEAT, TIE, UNKNOWN, Batch, Flags
from app.rules.pace import FASTEST_READING
from app.rules.sparse_sums import Integers, SparseSums

BINS_PER_LOG = 10
"""Bins are a tenth of a natural logarithm wide and lie around -0.1, 0, 0.1, …"""
LENGTH_BINS = range(-25, 26)
"""ln(characters on side A / on side B); the two outermost bins are open."""
PACE_BINS = range(-60, 81)
"""ln(words shown per active second)."""
SECONDS_BINS = range(-70, 121)
"""ln(active seconds)."""
TIME_LIMITS = (2, 5, 10, 20, 30, 60, 120, 300)
"""Seconds between which the bars of times stand."""
LONGER_BY = 30
"""A completion counts as longer by more than so many characters (AlpacaEval's rule)."""


def sums_of(
    batch: Batch, current: Flags, counted: Integers, of_two: Integers
) -> dict[str, SparseSums]:
    """counted, of_two: indices of the judgments that count, and of those among them which compare
    two completions."""
    rows = np.flatnonzero(current)
    gold = _gold(batch, current)
    decisive = of_two[batch.judged.says[of_two] >= 0]
    return {
        "annotators": _totals(batch, rows, counted),
        "strengths": _strengths(batch, counted),
        "reasons": _reasons(batch, current),
        "sides": _sides(batch, of_two),
        "lengths": _lengths(batch, decisive),
        "style": _style(batch, decisive),
        **_times(batch, rows),
        "repeats": _repeats(batch, current),
        "gold": _per_annotator(batch, gold, [np.ones_like(gold), _is_right(batch, gold)]),
        "weeks": _weeks(batch, rows, gold),
    }


def _per_annotator(
    batch: Batch, rows: Integers, values: list[Integers | Flags], *keys: Integers
) -> SparseSums:
    return sparse_sums.of_columns([batch.judged.annotator[rows], *keys], values)


def _totals(batch: Batch, rows: Integers, counted: Integers) -> SparseSums:
    """judged, counted, preferred, tie, both_bad, ranking, late, timed, active_ms: of all current
    judgments, the four verdicts of those that count."""
    judged = batch.judged
    counts = np.zeros(len(judged.says), bool)
    counts[counted] = True
    counts, says, active = counts[rows], judged.says[rows], judged.active_ms[rows]
    return _per_annotator(
        batch,
        rows,
        [
            np.ones_like(rows),
            counts,
            counts & (says >= 0) & (says < RANKING),
            counts & (says == TIE),
            counts & (says == BOTH_BAD),
            counts & (says >= RANKING),
            judged.late[rows],
            active >= 0,
            np.maximum(active, 0),
        ],
    )


def _strengths(batch: Batch, counted: Integers) -> SparseSums:
    """Judgments that prefer a completion, by strength; 0 where none was given."""
    says = batch.judged.says[counted]
    rows = counted[(says >= 0) & (says < RANKING)]
    return _per_annotator(batch, rows, [np.ones_like(rows)], batch.judged.strength[rows])


def _reasons(batch: Batch, current: Flags) -> SparseSums:
    judgment, reason = batch.reasons[current[batch.reasons[:, 0]]].T
    return _per_annotator(batch, judgment, [np.ones_like(judgment)], reason)


def _sides(batch: Batch, of_two: Integers) -> SparseSums:
    """By layout: shown, of these decisive, of these for side A."""
    judged = batch.judged
    rows = of_two[judged.first_shown[of_two] != UNKNOWN]
    says = judged.says[rows]
    return _per_annotator(
        batch,
        rows,
        [np.ones_like(rows), says >= 0, says == judged.first_shown[rows]],
        judged.layout[rows],
    )


def _lengths(batch: Batch, decisive: Integers) -> SparseSums:
    """By bin of the ratio of lengths: decisive judgments, of these for side A."""
    judged = batch.judged
    rows = decisive[judged.first_shown[decisive] != UNKNOWN]
    shown = judged.first_shown[rows]
    characters = np.maximum(batch.compared.characters[judged.comparison[rows]], 1)
    places = np.arange(len(rows))
    ratio = characters[places, shown] / characters[places, 1 - shown]
    bins = _bins(ratio, LENGTH_BINS)
    return _per_annotator(batch, rows, [np.ones_like(rows), judged.says[rows] == shown], bins)


def _style(batch: Batch, decisive: Integers) -> SparseSums:
    """markdown, markdown_chosen, longer, longer_chosen: decisive judgments where one of the two has
    Markdown or is longer, and those of them for it."""
    says = batch.judged.says[decisive]
    comparison = batch.judged.comparison[decisive]
    markdown, characters = (
        batch.compared.markdown[comparison],
        batch.compared.characters[comparison],
    )
    places = np.arange(len(decisive))
    one = markdown[:, 0] != markdown[:, 1]
    longer = np.abs(characters[:, 0] - characters[:, 1]) > LONGER_BY
    more = characters[places, says] > characters[places, 1 - says]
    return _per_annotator(
        batch, decisive, [one, one & markdown[places, says], longer, longer & more]
    )


def _times(batch: Batch, rows: Integers) -> dict[str, SparseSums]:
    rows = rows[batch.judged.active_ms[rows] >= 0]
    one = [np.ones_like(rows)]
    seconds = _bins(_seconds(batch, rows), SECONDS_BINS)
    return {
        "seconds": _per_annotator(batch, rows, [*one], seconds),
        "pace": _per_annotator(batch, rows, [*one], _bins(_pace(batch, rows), PACE_BINS)),
    }


def _seconds(batch: Batch, rows: Integers) -> NDArray[np.float64]:
    """Active seconds; 0 ms, which has no logarithm, counts as 1 ms."""
    seconds: NDArray[np.float64] = np.maximum(batch.judged.active_ms[rows], 1) / 1000
    return seconds


def _pace(batch: Batch, rows: Integers) -> NDArray[np.float64]:
    words = np.maximum(batch.compared.words[batch.judged.comparison[rows]], 1)
    pace: NDArray[np.float64] = words / _seconds(batch, rows)
    return pace


@cache
def edges(bins: range) -> NDArray[np.float64]:
    """The values at which one bin ends and the next begins."""
    found: NDArray[np.float64] = np.exp((np.array(bins)[:-1] + 0.5) / BINS_PER_LOG)
    return found


def _bins(values: NDArray[np.float64], bins: range) -> Integers:
    # Compared with fixed edges, because a logarithm may come out otherwise in a longer array: what
    # is taken away must be what was added.
    return bins.start + np.searchsorted(edges(bins), values, side="right")


def time_bins(bins: Sequence[int] | Integers) -> Integers:
    """The bar, counted from 0, in which each of these SECONDS_BINS is, by its middle."""
    middles = np.exp(np.asarray(bins) / BINS_PER_LOG)
    return np.searchsorted(TIME_LIMITS, middles, side="right").astype(np.int64)


def is_too_fast(words: int, active_ms: int) -> bool:
    """Whether a judgment is in a bin of pace that is faster than anybody reads."""
    pace = np.array([max(words, 1) / (max(active_ms, 1) / 1000)])
    return bool(_bins(pace, PACE_BINS)[0] / BINS_PER_LOG > math.log(FASTEST_READING))


def _repeats(batch: Batch, current: Flags) -> SparseSums:
    """By whether the sides were swapped (0 no, 1 yes, 2 not known, or more than two completions):
    repeats of a comparison that the annotator had judged before, of these with the same verdict."""
    judged = batch.judged
    first = batch.first_of_each(current & (judged.kind != REPEAT))
    again = np.flatnonzero(current & (judged.kind == REPEAT))
    pairs, wanted = batch.pair_of(first), batch.pair_of(again)
    order = np.argsort(pairs)
    place = np.minimum(np.searchsorted(pairs[order], wanted), max(0, len(pairs) - 1))
    if len(pairs) == 0:
        again, before = again[:0], again[:0]
    else:
        before = first[order[place]]
        known = pairs[order[place]] == wanted
        again, before = again[known], before[known]
    shown, shown_before = judged.first_shown[again], judged.first_shown[before]
    unknown = (shown == UNKNOWN) | (shown_before == UNKNOWN)
    swapped = np.where(unknown, 2, shown != shown_before)
    same = judged.says[again] == judged.says[before]
    return _per_annotator(batch, again, [np.ones_like(again), same], swapped)


def _gold(batch: Batch, current: Flags) -> Integers:
    """The first judgment of each annotator on each comparison with a known answer."""
    judged, compared = batch.judged, batch.compared
    known = compared.gold & (compared.gold_says != UNKNOWN)
    return batch.first_of_each(current & (judged.kind != REPEAT) & known[judged.comparison])


def _is_right(batch: Batch, rows: Integers) -> Flags:
    right: Flags = (
        batch.judged.best[rows] == batch.compared.gold_says[batch.judged.comparison[rows]]
    )
    return right


def _weeks(batch: Batch, rows: Integers, gold: Integers) -> SparseSums:
    """By week: judged, gold, gold_right, paced, and the sum of their bins of pace."""
    size = len(batch.judged.says)
    is_gold, is_right = np.zeros(size, bool), np.zeros(size, bool)
    is_gold[gold] = True
    is_right[gold] = _is_right(batch, gold)
    paced = batch.judged.active_ms[rows] >= 0
    pace = np.where(paced, _bins(_pace(batch, rows), PACE_BINS), 0)
    return _per_annotator(
        batch,
        rows,
        [np.ones_like(rows), is_gold[rows], is_right[rows], paced, pace],
        batch.judged.week[rows],
    )
