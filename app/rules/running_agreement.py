"""Agreement that is kept up to date judgment by judgment.

The state is integers only, so that adding, editing and deleting in any order gives exactly what a
new count of the same judgments gives. Who judged is not part of it: an edit removes the old label
and adds the new one.
"""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from app.rules.agreement import Table
from app.rules.bootstrap import Floats
from app.rules.krippendorff import alpha_of_coincidences

Pattern = tuple[int, ...]


class RunningAgreement:
    """Counts of q labels per item, their patterns, and the coincidences of labels."""

    def __init__(self, n_labels: int) -> None:
        self._q = n_labels
        self._items: dict[Hashable, Pattern] = {}
        self.patterns: dict[Pattern, int] = {}
        """How many items have each (n_1, ..., n_q)."""
        self.pairs: dict[int, list[int]] = {}
        """By the number n of an item's labels: over such items, the ordered pairs of labels c and k
        (at c q + k). Divided by n - 1 they are coincidences."""

    def add(self, item: Hashable, label: int) -> None:
        """One judgment more; labels count from 0."""
        self._change(item, label, 1)

    def remove(self, item: Hashable, label: int) -> None:
        """One judgment less. Raises ValueError where the item has no such label."""
        self._change(item, label, -1)

    def add_items(self, items: Iterable[Hashable], counts: Iterable[Sequence[int]]) -> None:
        """Items that are not there yet, each with its q counts of labels."""
        for item, row in zip(items, counts, strict=True):
            if item in self._items:
                raise ValueError(f"item {item!r} is there already")
            pattern = tuple(int(n) for n in row)
            if any(pattern):
                self._items[item] = pattern
                self.patterns[pattern] = self.patterns.get(pattern, 0) + 1
        self.pairs = {}
        for pattern, times in self.patterns.items():
            self._count_pairs(pattern, times)

    def table(self) -> Table:
        """What `agreement.measure` takes; every item is a unit of its own."""
        return Table.of_patterns(self.patterns, self._q)

    def coincidences(self) -> Floats:
        """(q, q): o_ck of Krippendorff's alpha."""
        total = np.zeros(self._q * self._q)
        for n, pairs in sorted(self.pairs.items()):
            total += np.array(pairs, dtype=np.float64) / (n - 1)
        return total.reshape(self._q, self._q)

    def alpha(self, distances: Floats | None = None) -> float | None:
        """Krippendorff's alpha; distances is (q, q), squared, None for nominal labels. None where
        it is undefined. Takes no longer for a million items than for a hundred."""
        return alpha_of_coincidences(self.coincidences(), distances)

    def _change(self, item: Hashable, label: int, by: int) -> None:
        old = self._items.get(item, (0,) * self._q)
        if not 0 <= label < self._q or old[label] + by < 0:
            raise ValueError(f"item {item!r} has no label {label} to take away")
        new = (*old[:label], old[label] + by, *old[label + 1 :])
        for pattern, times in ((old, -1), (new, 1)):
            if any(pattern):
                self._count_pairs(pattern, times)
                left = self.patterns.get(pattern, 0) + times
                if left:
                    self.patterns[pattern] = left
                else:
                    del self.patterns[pattern]
        if any(new):
            self._items[item] = new
        else:
            del self._items[item]

    def _count_pairs(self, pattern: Pattern, times: int) -> None:
        n = sum(pattern)
        if n < 2:
            return
        pairs = self.pairs.setdefault(n, [0] * (self._q * self._q))
        for c, n_c in enumerate(pattern):
            if n_c:
                for k, n_k in enumerate(pattern):
                    pairs[c * self._q + k] += times * n_c * (n_k - (c == k))
        if not any(pairs):
            del self.pairs[n]
