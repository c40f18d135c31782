"""Tables of whole numbers by key: laws of adding, and what is written down comes back."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rules import sparse_sums
from app.rules.sparse_sums import FEW, SparseSums, of_columns, summed

small = st.integers(-3, 3)
# Spans of which no two fit into 63 bits together, so that rows are ranked instead of packed.
large = st.sampled_from([-(2**61), 0, 5, 2**61])
keys = st.one_of(st.tuples(small, small), st.tuples(large, large), st.tuples(small, large))
values = st.tuples(st.integers(-4, 4), st.integers(-(2**40), 2**40))
rows = st.lists(st.tuples(keys, values))


def table(given):
    found = np.array([[*key, *values] for key, values in given], np.int64).reshape(-1, 4)
    return summed(found[:, :2], found[:, 2:])


def read(sums: SparseSums):
    return [
        (tuple(key), tuple(values))
        for key, values in zip(sums.keys.tolist(), sums.values.tolist(), strict=True)
    ]


def by_hand(given):
    sums = defaultdict(lambda: [0, 0])
    for key, values in given:
        for i, value in enumerate(values):
            sums[key][i] += value
    return [(key, tuple(values)) for key, values in sorted(sums.items()) if any(values)]


@given(rows)
def test_rows_with_one_key_are_added_up_and_sorted_and_zeros_are_left_out(given):
    assert read(table(given)) == by_hand(given)


@given(rows, rows)
def test_what_is_added_and_taken_away_again_leaves_the_same_table(one, other):
    both = table(one).plus(table(other))

    assert read(both) == by_hand(one + other) == read(table(other).plus(table(one)))
    assert read(both.plus(table(other), times=-1)) == read(table(one))


# Drawing so many rows is slow on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(keys, values), min_size=3 * FEW),
    st.lists(st.tuples(keys, values), max_size=3),
)
def test_a_few_rows_are_added_to_many_as_any_others(many, few):
    """Among them are rows that end at 0, which are gone."""
    found = table(many)
    taken = [(key, tuple(-value for value in sums)) for key, sums in read(found)[:1]]

    both = found.plus(table(few + taken))

    assert read(both) == by_hand(many + few + taken)
    assert read(both.plus(table(few + taken), times=-1)) == read(found)


@given(rows, rows)
def test_what_is_written_comes_back(one, other):
    tables = [table(one), table(other), sparse_sums.empty(3, 1)]

    described, data = sparse_sums.to_bytes(tables)
    widths = {"a": (2, 2), "b": (2, 2), "c": (3, 1)}
    stored = sparse_sums.Stored(described, widths, data)
    assert (list(stored), len(stored)) == (["a", "b", "c"], 3)
    # In another order than they were written in.
    found = [stored[name] for name in "cab"]
    found = [found[1], found[2], found[0]]

    assert list(map(read, found)) == list(map(read, tables))
    assert [t.keys.shape[1] for t in found] == [2, 2, 3]


def test_small_numbers_take_one_byte_each_and_large_ones_as_many_as_they_need():
    found = of_columns([np.arange(3), np.arange(3) * 1000], [np.array([127, 128, 2**31])])

    described, _ = sparse_sums.to_bytes([found])

    assert described == [[3, 1, 2, 8]]


def test_a_description_of_other_tables_is_refused():
    described, data = sparse_sums.to_bytes([table([((1, 1), (1, 1))])])

    with pytest.raises(AssertionError, match="other tables"):
        sparse_sums.Stored(described, {"a": (1, 2)}, data)
