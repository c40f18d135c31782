"""The state of a project that its statistics are read from: tables of sums, and the names in them.

`contributions.py` says what each table holds, `project_statistics.py` reads them. Written down they
are a line of JSON and compressed columns of numbers. Two states are equal when they hold the same
sums for the same names, whatever numbers the names have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from app.rules import sparse_sums
from app.rules.sparse_sums import Integers, SparseSums

FORMAT = 3
"""Of the state. One that was written for another is built anew."""
_PATTERN = (
    "counted",
    "part",
    *(f"{grade:+}" for grade in range(-3, 4)),
    "first",
    "second",
    "both_bad",
)

# Names of the columns of keys and of values. Those in NAMED hold numbers of names.
NAMED = {
    "annotator": "annotator", "a": "annotator", "b": "annotator", "tag": "tag",
    "source": "source", "other_source": "source", "guideline": "guideline",
    "layout": "layout", "reason": "reason",
}  # fmt: skip
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "all": (_PATTERN, ("comparisons",)),
    "tag": (("tag", *_PATTERN), ("comparisons",)),
    "sources": (("source", "other_source", *_PATTERN), ("comparisons",)),
    "guideline": (("guideline", *_PATTERN), ("comparisons",)),
    "strength": (("strength", *_PATTERN), ("comparisons",)),
    "week": (("week", *_PATTERN), ("comparisons",)),
    "pairs": (("a", "b", "label_a", "label_b"), ("comparisons",)),
    "wins": (("source", "other_source", "part"), ("source", "other_source", "tie", "both_bad")),
    "annotators": (
        ("annotator",),
        ("judged", "counted", "preferred", "tie", "both_bad", "ranking", "late", "timed",
         "active_ms"),
    ),
    "strengths": (("annotator", "strength"), ("judgments",)),
    "reasons": (("annotator", "reason"), ("judgments",)),
    "sides": (("annotator", "layout"), ("shown", "decisive", "side_a")),
    "lengths": (("annotator", "bin"), ("decisive", "side_a")),
    "style": (("annotator",), ("markdown", "markdown_chosen", "longer", "longer_chosen")),
    "seconds": (("annotator", "bin"), ("judgments",)),
    "pace": (("annotator", "bin"), ("judgments",)),
    "repeats": (("annotator", "swapped"), ("repeats", "same")),
    "gold": (("annotator",), ("gold", "right")),
    "weeks": (("annotator", "week"), ("judged", "gold", "gold_right", "paced", "pace")),
}  # fmt: skip
KINDS = tuple(dict.fromkeys(NAMED.values()))
Name = str | None
_WIDTHS = {name: (len(keys), len(values)) for name, (keys, values) in TABLES.items()}


class Names:
    """Numbers for the names of annotators, tags, sources, …; a name keeps the number it got."""

    def __init__(self, known: Mapping[str, Iterable[Name]] | None = None) -> None:
        given = known or {}
        self.lists: dict[str, list[Name]] = {kind: list(given.get(kind, ())) for kind in KINDS}
        self._numbers = {
            kind: {name: i for i, name in enumerate(names)} for kind, names in self.lists.items()
        }

    def number(self, kind: str, name: Name) -> int:
        numbers, names = self._numbers[kind], self.lists[kind]
        found = numbers.setdefault(name, len(names))
        if found == len(names):
            names.append(name)
        return found

    def known(self, kind: str, name: Name) -> int | None:
        return self._numbers[kind].get(name)

    def order(self, kind: str) -> Integers:
        """The rank of every number when names are sorted; no name comes first."""
        names = self.lists[kind]
        ranks = np.zeros(len(names), np.int64)
        by_name = sorted(range(len(names)), key=lambda i: (names[i] is not None, names[i] or ""))
        ranks[by_name] = np.arange(len(names))
        return ranks


def _no_tables() -> dict[str, SparseSums]:
    return {name: sparse_sums.empty(*widths) for name, widths in _WIDTHS.items()}


@dataclass(frozen=True)
class ProjectSums:
    """Sums over some judgments of a project."""

    names: Names = field(default_factory=Names)
    folded: int = 0
    """How many judgments, superseded ones included."""
    tables: Mapping[str, SparseSums] = field(default_factory=_no_tables)

    def plus(
        self, tables: Mapping[str, SparseSums], *, folded: int = 0, times: int = 1
    ) -> ProjectSums:
        """With these tables, whose numbers are of the same names, added."""
        added = {name: table.plus(tables[name], times=times) for name, table in self.tables.items()}
        return ProjectSums(self.names, self.folded + folded, added)

    def replaced(
        self, before: Mapping[str, SparseSums], after: Mapping[str, SparseSums], *, folded: int
    ) -> ProjectSums:
        """With `after` in the place of `before`, of which few rows are changed by one judgment."""
        change = {name: table.plus(before[name], times=-1) for name, table in after.items()}
        return self.plus(change, folded=folded)

    def to_bytes(self) -> bytes:
        described, data = sparse_sums.to_bytes([self.tables[name] for name in TABLES])
        head = {
            "format": FORMAT,
            "folded": self.folded,
            "names": self.names.lists,
            "tables": described,
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data

    @classmethod
    def from_bytes(cls, state: bytes) -> ProjectSums | None:
        """What `to_bytes` wrote; None for a state of another format."""
        line, _, data = state.partition(b"\n")
        head = json.loads(line)
        if head["format"] != FORMAT:
            return None
        tables = sparse_sums.Stored(head["tables"], _WIDTHS, data)
        return cls(Names(head["names"]), head["folded"], tables)

    def rows(self, name: str) -> dict[tuple[Name | int, ...], tuple[int, ...]]:
        """One table as it reads: names and numbers by their columns' order, to values."""
        columns = TABLES[name][0]
        table = self.tables[name]
        return {
            tuple(
                self.names.lists[NAMED[column]][key] if column in NAMED else key
                for column, key in zip(columns, keys, strict=True)
            ): tuple(values)
            for keys, values in zip(table.keys.tolist(), table.values.tolist(), strict=True)
        }


def differences(kept: ProjectSums, computed: ProjectSums) -> list[str]:
    """What differs, a sentence each."""
    found = []
    if kept.folded != computed.folded:
        found.append(f"judgments: kept {kept.folded}, computed {computed.folded}")
    for name in TABLES:
        is_kept, is_right = kept.rows(name), computed.rows(name)
        found += [
            f"{name} {key}: kept {is_kept.get(key)}, computed {is_right.get(key)}"
            for key in is_kept.keys() | is_right.keys()
            if is_kept.get(key) != is_right.get(key)
        ]
    return found
