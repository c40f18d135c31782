"""A project's sums in the forms that statistics are computed from.

Agreement comes as a `Table` whose units of resampling are the 256 parts of the prompts, so that
what belongs to one prompt stays together. Gold and repeats are left out of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple
from uuid import UUID

import numpy as np

from app.rules.agreement import Table
from app.rules.contributions import (
    ALL_OF_MORE,
    FIRST_OF_MORE,
    GRADES,
    LABEL_OF,
    LABELS,
    UP_TO_FIRST,
)
from app.rules.judged_batch import FIRST_MONDAY, PARTS
from app.rules.other_annotators import VerdictPairs
from app.rules.project_sums import Name, ProjectSums
from app.rules.sparse_sums import Integers, SparseSums, summed


class Dimension(StrEnum):
    """What comparisons are divided by."""

    ALL = "all"
    TAG = "tag"
    """Of the comparison or its prompt; one with several counts with each."""
    SOURCES = "sources"
    """The two sources in the order of their names; `first` is then the first one's completion."""
    GUIDELINE = "guideline"
    """Only the judgments under that version; None for those under none (imported)."""
    STRENGTH = "strength"
    """The rounded mean over the comparison's decisive judgments that have one."""
    WEEK = "week"
    """Only the judgments received in that week, which begins on this Monday (UTC)."""


_IS_LABEL = np.eye(len(LABELS), dtype=np.int64)[list(LABEL_OF)]
"""(10, 4): which label each column of a pattern is."""
Counted = Literal["all", "first_two"]
"""Which judgments of a comparison agreement is measured on. Of a slice by what is of the judgments
(guideline, week), `first_two` are those of the comparison's first two that are in it."""
_COUNTED: dict[Counted, tuple[int, int]] = {
    "all": (UP_TO_FIRST, ALL_OF_MORE),
    "first_two": (UP_TO_FIRST, FIRST_OF_MORE),
}
Value = str | int | date | UUID | tuple[Name, Name] | None


class Slice(NamedTuple):
    value: Value
    comparisons: int
    """Those with a judgment."""


class AnnotatorPair(NamedTuple):
    a: UUID
    b: UUID
    labels: Integers
    """(4, 4): comparisons that both judged, by the label of a and of b in the order of LABELS."""


class SourcePair(NamedTuple):
    source: Name
    other: Name
    wins: Integers
    """(256, 4): by part of the prompts: judgments for `source`, for `other`, ties, both bad."""


class Totals(NamedTuple):
    """Of all judgments of an annotator; the four verdicts are those that count for agreement."""

    judged: int = 0
    counted: int = 0
    preferred: int = 0
    tie: int = 0
    both_bad: int = 0
    ranking: int = 0
    late: int = 0
    timed: int = 0
    """Those whose active time is known."""
    active_ms: int = 0


class Sided(NamedTuple):
    """Judgments of two completions in one layout."""

    shown: int
    decisive: int
    side_a: int


class Style(NamedTuple):
    """Decisive judgments where one of the two has Markdown or is longer; those for it."""

    markdown: int = 0
    markdown_chosen: int = 0
    longer: int = 0
    longer_chosen: int = 0


class Repeated(NamedTuple):
    repeats: int
    same: int


class Gold(NamedTuple):
    gold: int = 0
    right: int = 0


class Week(NamedTuple):
    judged: int
    gold: int
    gold_right: int
    paced: int
    pace: int
    """Sum over `paced` judgments of ln(words shown per active second), in tenths."""


@dataclass(kw_only=True)
class AnnotatorSums:
    """Histograms are (N, …): the bin, which is ten times a natural logarithm, then counts."""

    totals: Totals = field(default_factory=Totals)
    strengths: dict[int, int] = field(default_factory=dict)
    """Judgments that prefer a completion; 0 where no strength was given."""
    reasons: dict[str, int] = field(default_factory=dict)
    sides: dict[str, Sided] = field(default_factory=dict)
    """By layout."""
    lengths: Integers = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    """ln(characters on side A / on side B), decisive judgments, those for side A."""
    style: Style = field(default_factory=Style)
    seconds: Integers = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """ln(active seconds), judgments."""
    pace: Integers = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """ln(words shown per active second), judgments."""
    repeats: dict[bool | None, Repeated] = field(default_factory=dict)
    """By whether the sides were swapped; None where that is not known."""
    gold: Gold = field(default_factory=Gold)
    weeks: dict[date, Week] = field(default_factory=dict)
    """By their Mondays."""


@dataclass(frozen=True)
class ProjectStatistics:
    sums: ProjectSums
    waiting: int
    """Judgments that are stored and not in the sums yet."""
    state: str | None = None
    """Names these sums among all that the project ever had; None where they are not kept."""

    @property
    def judgments(self) -> int:
        """In the sums."""
        return self.sums.folded

    def slices(self, dimension: Dimension) -> list[Slice]:
        """What there is of a dimension: by value where values have an order (weeks, strengths),
        else the largest first."""
        table, width = self.sums.tables[dimension], _width(dimension)
        values, where = table.by_first(width)
        # The first two of a comparison that has more are of one that is counted already.
        once = table.keys[:, width] != FIRST_OF_MORE
        n = np.bincount(where[once], table.values[once, 0], len(values)).astype(np.int64)
        found = [
            Slice(self._value(dimension, key), count)
            for key, count in zip(values.tolist(), n.tolist(), strict=True)
        ]
        if dimension in (Dimension.WEEK, Dimension.STRENGTH):
            return found
        return sorted(found, key=lambda one: (-one.comparisons, str(one.value)))

    def table(
        self,
        dimension: Dimension = Dimension.ALL,
        value: Value = None,
        *,
        counted: Counted = "all",
    ) -> Table:
        """Counts of LABELS of the comparisons with this value; empty where there are none."""
        part, pattern, items = self._patterns(dimension, value, counted)
        return _table(part, pattern @ _IS_LABEL, items)

    def graded_table(
        self,
        dimension: Dimension = Dimension.ALL,
        value: Value = None,
        *,
        counted: Counted = "all",
    ) -> Table:
        """Counts of GRADES (-3 … 3) of the comparisons with this value. A preference without a
        strength and `both_bad` have no place on the scale and are left out."""
        part, pattern, items = self._patterns(dimension, value, counted)
        return _table(part, pattern[:, : len(GRADES)], items)

    def _patterns(
        self, dimension: Dimension, value: Value, counted: Counted
    ) -> tuple[Integers, Integers, Integers]:
        """Of a slice: parts (N,), judgments by GRADES and UNGRADED (N, 10), comparisons (N,)."""
        table, key = self.sums.tables[dimension], self._key(dimension, value)
        some = SparseSums(table.keys[:0], table.values[:0]) if key is None else table.starting(key)
        keys = some.keys[:, _width(dimension) :]
        chosen = np.isin(keys[:, 0], _COUNTED[counted])
        return keys[chosen, 1], keys[chosen, 2:], some.values[chosen, 0]

    def judged(self) -> int:
        """Annotators with a judgment that counts for agreement."""
        return int((self.sums.tables["annotators"].values[:, 1] > 0).sum())

    def pairs(self) -> list[AnnotatorPair]:
        """Every two annotators who judged a comparison of two completions in common."""
        people, found = self._people, self.verdict_pairs()
        return [
            AnnotatorPair(people[a], people[b], counts)
            for a, b, counts in zip(
                found.first.tolist(), found.second.tolist(), found.tables, strict=True
            )
        ]

    def verdict_pairs(self) -> VerdictPairs:
        """The same with numbers for people."""
        table = self.sums.tables["pairs"]
        pairs, where = table.by_first(2)
        labels = np.zeros((len(pairs), len(LABELS), len(LABELS)), np.int64)
        labels[where, table.keys[:, 2], table.keys[:, 3]] = table.values[:, 0]
        return VerdictPairs(first=pairs[:, 0], second=pairs[:, 1], tables=labels)

    def wins(self) -> list[SourcePair]:
        """Every two different sources that were compared."""
        table, sources = self.sums.tables["wins"], self.sums.names.lists["source"]
        pairs, where = table.by_first(2)
        wins = np.zeros((len(pairs), PARTS, len(LABELS)), np.int64)
        wins[where, table.keys[:, 2]] = table.values
        return [
            SourcePair(sources[i], sources[j], counts)
            for (i, j), counts in zip(pairs.tolist(), wins, strict=True)
        ]

    def annotators(self) -> dict[UUID, AnnotatorSums]:
        """Everybody with a judgment."""
        found: defaultdict[UUID, AnnotatorSums] = defaultdict(AnnotatorSums)
        layouts, reasons = (self.sums.names.lists[kind] for kind in ("layout", "reason"))
        for who, _, values in self._each("annotators"):
            found[who].totals = Totals(*values)
        for who, (strength,), (n,) in self._each("strengths"):
            found[who].strengths[strength] = n
        for who, (reason,), (n,) in self._each("reasons"):
            found[who].reasons[str(reasons[reason])] = n
        for who, (layout,), values in self._each("sides"):
            found[who].sides[str(layouts[layout])] = Sided(*values)
        for who, _, values in self._each("style"):
            found[who].style = Style(*values)
        for who, (swapped,), values in self._each("repeats"):
            found[who].repeats[[False, True, None][swapped]] = Repeated(*values)
        for who, _, values in self._each("gold"):
            found[who].gold = Gold(*values)
        for who, (week,), values in self._each("weeks"):
            found[who].weeks[_monday(week)] = Week(*values)
        for name in ("lengths", "seconds", "pace"):
            for who, histogram in self._histograms(name):
                setattr(found[who], name, histogram)
        return dict(found)

    @cached_property
    def _people(self) -> list[UUID]:
        """By their numbers. Made once: there are many times more rows than people."""
        return [UUID(str(name)) for name in self.sums.names.lists["annotator"]]

    def _each(self, name: str) -> list[tuple[UUID, list[int], list[int]]]:
        """The rows of a table by annotator: the rest of the key, and the values."""
        table, people = self.sums.tables[name], self._people
        return [
            (people[who], key, values)
            for (who, *key), values in zip(table.keys.tolist(), table.values.tolist(), strict=True)
        ]

    def _histograms(self, name: str) -> list[tuple[UUID, Integers]]:
        table, people = self.sums.tables[name], self._people
        if len(table.keys) == 0:
            return []
        rows = np.hstack([table.keys[:, 1:], table.values])
        who, starts = np.unique(table.keys[:, 0], return_index=True)
        parts = np.split(rows, starts[1:])
        return [(people[i], part) for i, part in zip(who.tolist(), parts, strict=True)]

    def _value(self, dimension: Dimension, key: list[int]) -> Value:
        names = self.sums.names.lists
        match dimension:
            case Dimension.TAG:
                return names["tag"][key[0]]
            case Dimension.SOURCES:
                return names["source"][key[0]], names["source"][key[1]]
            case Dimension.GUIDELINE:
                version = names["guideline"][key[0]]
                return None if version is None else UUID(version)
            case Dimension.STRENGTH:
                return key[0]
            case Dimension.WEEK:
                return _monday(key[0])
            case Dimension.ALL:
                return None

    def _key(self, dimension: Dimension, value: Value) -> list[int] | None:
        """The first columns of a slice's keys; None where there is no such slice."""
        names, found = self.sums.names, []
        match dimension, value:
            case Dimension.TAG, str():
                found = [names.known("tag", value)]
            case Dimension.SOURCES, (source, other):
                found = [names.known("source", source), names.known("source", other)]
            case Dimension.GUIDELINE, UUID() | None:
                found = [names.known("guideline", None if value is None else value.hex)]
            case Dimension.STRENGTH, int():
                found = [value]
            case Dimension.WEEK, date():
                found = [(value.toordinal() - FIRST_MONDAY) // 7]
            case Dimension.ALL, None:
                found = []
            case _:
                raise TypeError(f"{value!r} is no value of the dimension {dimension}")
        known = [number for number in found if number is not None]
        return known if len(known) == len(found) else None


def _width(dimension: Dimension) -> int:
    return {Dimension.ALL: 0, Dimension.SOURCES: 2}.get(dimension, 1)


def _monday(week: int) -> date:
    return date.fromordinal(FIRST_MONDAY) + timedelta(weeks=week)


def _table(part: Integers, counts: Integers, items: Integers) -> Table:
    """Rows that became equal are one, those without any label are gone."""
    sums = summed(np.column_stack([part, counts]), items[:, None])
    some = sums.keys[:, 1:].any(axis=1)
    return Table(
        counts=sums.keys[some, 1:],
        groups=sums.keys[some, 0],
        items=sums.values[some, 0],
        resampled="prompt_groups",
    )
