"""Tables of whole numbers by key that can be added, taken away and written down compactly.

N rows, k columns of keys, v columns of values. Rows are in the order of their keys, every key
stands once, and a row whose values are all 0 is left out: equal sums are equal tables.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
FEW = 20
"""Rows that are added to at least this many times as many are put in their places one by one."""
_WIDTHS = (np.int8, np.int16, np.int32, np.int64)


@dataclass(frozen=True)
class SparseSums:
    keys: Integers
    """(N, k)."""
    values: Integers
    """(N, v)."""

    def plus(self, other: SparseSums, *, times: int = 1) -> SparseSums:
        """The sums of both; `times=-1` takes the other away."""
        if len(other.keys) * FEW <= len(self.keys):
            return self._with_few(other.keys, times * other.values)
        return summed(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.values, times * other.values]),
        )

    def _with_few(self, added: Integers, values: Integers) -> SparseSums:
        """With rows added that are in order; each is looked for, so that nothing is sorted anew."""
        if len(added) == 0:
            return self
        rows = range(len(self.keys))
        place = np.array(
            [bisect_left(rows, key, key=lambda i: self.keys[i].tolist()) for key in added.tolist()]
        )
        at_most = np.minimum(place, len(self.keys) - 1)
        is_there = (self.keys[at_most] == added).all(axis=1)
        sums, known = self.values.copy(), place[is_there]
        sums[known] += values[is_there]
        gone = known[~sums[known].any(axis=1)]
        new = ~is_there & values.any(axis=1)
        if not len(gone) and not new.any():
            return SparseSums(self.keys, sums)
        return SparseSums(
            _spliced(self.keys, gone, place[new], added[new]),
            _spliced(sums, gone, place[new], values[new]),
        )

    def starting(self, key: Sequence[int]) -> SparseSums:
        """The rows whose keys begin so."""
        low, high = 0, len(self.keys)
        for column, wanted in enumerate(key):
            within = self.keys[low:high, column]
            low, high = low + np.searchsorted(within, [wanted, wanted + 1])
        return SparseSums(self.keys[low:high], self.values[low:high])

    def by_first(self, columns: int) -> tuple[Integers, Integers]:
        """The different values of the first columns of keys, in order, and (N,) the place among
        them of each row."""
        first = self.keys[:, :columns]
        is_new = np.ones(len(first), bool)
        is_new[1:] = (first[1:] != first[:-1]).any(axis=1)
        return first[is_new], np.cumsum(is_new) - 1


def _spliced(rows: Integers, gone: Integers, places: Integers, new: Integers) -> Integers:
    """Without some rows, and with new ones before the rows at these places, which are in order.

    In slices, as few rows change: numpy's own insertion looks at every row.
    """
    changes = [(place, 0, one) for place, one in zip(places.tolist(), new, strict=True)]
    changes += [(place, 1, None) for place in gone.tolist()]
    pieces, start = [], 0
    for place, dropped, one in sorted(changes, key=lambda change: change[:2]):
        pieces.append(rows[start:place])
        start = place + dropped
        if one is not None:
            pieces.append(one[None])
    return np.concatenate([*pieces, rows[start:]])


def empty(keys: int, values: int) -> SparseSums:
    return SparseSums(np.zeros((0, keys), np.int64), np.zeros((0, values), np.int64))


def of_columns(
    keys: Sequence[Integers], values: Sequence[Integers | NDArray[np.bool_]]
) -> SparseSums:
    """The sums of rows that are given as columns."""
    return summed(
        np.column_stack(keys).astype(np.int64, copy=False),
        np.column_stack(values).astype(np.int64, copy=False),
    )


def summed(keys: Integers, values: Integers) -> SparseSums:
    """The sums of rows, of which several may have one key: keys (N, k), values (N, v)."""
    if len(keys) == 0:
        return SparseSums(keys, values)
    packed = _packed(keys)
    order = np.argsort(packed, kind="stable")
    in_order = packed[order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]]))
    sums = np.add.reduceat(values[order], starts, axis=0)
    some = sums.any(axis=1)
    return SparseSums(keys[order[starts[some]]], sums[some])


def _packed(keys: Integers) -> Integers:
    """(N,): a number for each row, in the order of the rows."""
    low = keys.min(axis=0)
    spans = [int(span) + 1 for span in keys.max(axis=0) - low]
    if math.prod(spans) >= 2**63:
        ranks: Integers = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
        return ranks
    weights = np.ones(len(spans), np.int64)
    weights[:-1] = np.cumprod(spans[:0:-1], dtype=np.int64)[::-1]
    packed: Integers = (keys - low) @ weights
    return packed


def to_bytes(tables: Sequence[SparseSums]) -> tuple[list[list[int]], bytes]:
    """A description (rows, then the bytes of a number in each column), and the numbers."""
    described, parts = [], []
    for table in tables:
        columns = [_narrow(column) for column in np.hstack([table.keys, table.values]).T]
        described.append([len(table.keys), *(column.itemsize for column in columns)])
        parts += [column.tobytes() for column in columns]
    return described, zlib.compress(b"".join(parts), level=1)


class Stored(Mapping[str, SparseSums]):
    """Tables that `to_bytes` wrote, each read when it is asked for: a page asks for few of them."""

    def __init__(
        self, described: Sequence[Sequence[int]], widths: Mapping[str, tuple[int, int]], data: bytes
    ) -> None:
        """widths: the k and v of each table, by its name, in the order in which they were
        written."""
        self._raw = zlib.decompress(data)
        self._read: dict[str, SparseSums] = {}
        self._places: dict[str, tuple[int, Sequence[int], int]] = {}
        at = 0
        for name, (rows, *sizes) in zip(widths, described, strict=True):
            keys, values = widths[name]
            assert len(sizes) == keys + values, "the state was written for other tables"
            self._places[name] = at, (rows, *sizes), keys
            at += rows * sum(sizes)

    def __getitem__(self, name: str) -> SparseSums:
        if name not in self._read:
            at, (rows, *sizes), n_keys = self._places[name]
            keys = np.empty((rows, n_keys), np.int64)
            values = np.empty((rows, len(sizes) - n_keys), np.int64)
            places = [*keys.T, *values.T]
            for place, size in zip(places, sizes, strict=True):
                place[:] = np.frombuffer(self._raw, f"<i{size}", rows, at)
                at += rows * size
            self._read[name] = SparseSums(keys, values)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _narrow(column: Integers) -> NDArray[np.signedinteger]:
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    for width in _WIDTHS:
        if np.iinfo(width).min <= low and high <= np.iinfo(width).max:
            return column.astype(np.dtype(width).newbyteorder("<"))
    raise AssertionError("every int64 fits the last width")
