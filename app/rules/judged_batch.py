"""Judgments of some comparisons as arrays, and which of them statistics look at.

C comparisons, J judgments, in the order of their comparisons and within one of when they were
received. Names (of annotators, tags, sources, …) are numbers that the caller gave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from app.rules.sparse_sums import Integers

Flags = NDArray[np.bool_]

NORMAL, GOLD, REPEAT = range(3)
"""The kind of a judgment."""
TIE, BOTH_BAD, UNKNOWN = -1, -2, -9
"""What a judgment says that prefers no completion; 0 and above is the position of the preferred
one, 100 and above a ranking (equal rankings of one comparison have equal numbers)."""
RANKING = 100
PARTS = 256
"""Groups of prompts, by the first byte of their ids, which are hashes."""
FIRST_MONDAY = date(1969, 12, 29).toordinal()
"""Weeks are counted from it."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Facts of comparisons; what stands for two completions is 0 where there are more."""

    part: Integers
    """(C,): the group of prompts that intervals resample."""
    size: Integers
    gold: Flags
    gold_says: Integers
    """The known answer; UNKNOWN where there is none."""
    sources: Integers
    """(C, 2)."""
    characters: Integers
    """(C, 2)."""
    markdown: Flags
    """(C, 2)."""
    words: Integers
    """(C,): of the prompt and all completions."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """(J,) each."""

    comparison: Integers
    """Index into the comparisons, never decreasing."""
    annotator: Integers
    kind: Integers
    says: Integers
    best: Integers
    """What `says` says; of a ranking the position of the only best one, TIE where all are tied,
    else UNKNOWN."""
    strength: Integers
    """1 to 3, 0 where none was given."""
    first_shown: Integers
    """Of two completions the position of the one on side A; UNKNOWN where that is not known."""
    layout: Integers
    guideline: Integers
    week: Integers
    """Of receipt, counted from FIRST_MONDAY."""
    active_ms: Integers
    """-1 where not known."""
    late: Flags
    supersedes: Integers
    """Index of the judgment that it takes the place of, -1 for none."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """All judgments of some comparisons."""

    compared: Compared
    judged: Judged
    tags: Integers
    """(T, 2): comparison and tag, each once."""
    reasons: Integers
    """(R, 2): judgment and reason code, each once."""
    annotator_order: Integers
    """Rank of every annotator's number, by id: of a pair, the first of the two comes first."""
    source_order: Integers
    """Rank of every source's number, by name."""

    def current(self, some: Flags) -> Flags:
        """Those of some judgments that none of them supersedes."""
        found = some.copy()
        later = self.judged.supersedes[some]
        found[later[later >= 0]] = False
        return found

    def first_of_each(self, some: Flags) -> Integers:
        """Indices of the first of some judgments of each annotator on each comparison."""
        rows = np.flatnonzero(some)
        chosen: Integers = rows[np.unique(self.pair_of(rows), return_index=True)[1]]
        chosen.sort()
        return chosen

    def pair_of(self, rows: Integers) -> Integers:
        """A number for the comparison and the annotator of each judgment."""
        judged = self.judged
        numbers: Integers = (
            judged.comparison[rows] * len(self.annotator_order) + judged.annotator[rows]
        )
        return numbers

    def among_first(self, rows: Integers, most: int) -> Flags:
        """Which of some judgments, in their order, are among so many that their comparison got
        first. A revision has the place of what it takes the place of."""
        place = np.arange(len(self.judged.supersedes))
        while (earlier := self.judged.supersedes[place]).max(initial=-1) >= 0:
            place = np.where(earlier >= 0, earlier, place)
        comparison = self.judged.comparison[rows]
        order = np.lexsort((place[rows], comparison))
        of, starts = np.unique(comparison, return_index=True)
        rank = np.empty(len(rows), np.int64)
        rank[order] = np.arange(len(rows)) - starts[np.searchsorted(of, comparison[order])]
        found: Flags = rank < most
        return found

    def counted(self, current: Flags) -> Integers:
        """The judgments that agreement and aggregation are made of: the first presentation to each
        annotator, no gold, no repeats."""
        judged = self.judged
        normal = (judged.kind == NORMAL) & ~self.compared.gold[judged.comparison]
        return self.first_of_each(current & normal)
