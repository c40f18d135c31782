"""Judgments as numbers."""

import itertools

import numpy as np
import pytest
from helpers.agreement import judgments_of, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.judgment_table import (
    count_patterns,
    first_of_each,
    leave_one_out_by_annotator,
    patterns_of,
)

rows_of = st.integers(1, 10).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([None, 0, 1, 2]), min_size=n, max_size=n), min_size=1, max_size=5
    )
)


def test_only_the_first_judgment_of_an_annotator_on_an_item_is_kept():
    items, annotators = np.array([0, 1, 0, 0, 1]), np.array([0, 1, 1, 0, 1])

    assert first_of_each(items, annotators).tolist() == [0, 1, 2]
    assert first_of_each(items[:0], annotators[:0]).tolist() == []


@given(rows_of)
@settings(max_examples=50, deadline=None)
def test_patterns_are_the_distinct_counts_with_the_number_of_their_items(rows):
    judgments = judgments_of(rows, 3)
    counts = [[sum(row[i] == k for row in rows) for k in range(3)] for i in range(len(rows[0]))]

    found = count_patterns(judgments)

    assert found.counts.tolist() == sorted(map(list, set(map(tuple, counts))))
    assert found.counts[found.of_item].tolist() == counts
    assert found.items.tolist() == [counts.count(row) for row in found.counts.tolist()]


def test_up_to_five_labels_of_three_kinds_have_55_patterns():
    every = np.array([row for row in itertools.product(range(6), repeat=3) if 0 < sum(row) <= 5])
    drawn = every[np.random.default_rng(1).integers(0, len(every), 10_000)]

    assert len(patterns_of(drawn).counts) == 55
    assert patterns_of(drawn).items.sum() == 10_000


@pytest.mark.parametrize("large", [9, 200, 10**9])
def test_patterns_of_small_and_of_large_counts_are_the_same(large):
    """Each is found in another way: by counting, by sorting numbers, by sorting rows."""
    counts = np.array([[large, 0, 7, 1], [0, 1, 2, 3], [large, 0, 7, 1]])

    found = patterns_of(counts)

    assert found.counts.tolist() == [[0, 1, 2, 3], [large, 0, 7, 1]]
    assert (found.items.tolist(), found.of_item.tolist()) == ([1, 2], [1, 0, 1])


@given(rows_of)
@settings(max_examples=50, deadline=None)
def test_each_annotator_is_held_against_the_modes_of_the_others(rows):
    judgments = judgments_of(rows, 3)

    n, values = leave_one_out_by_annotator(judgments, count_patterns(judgments))

    for annotator, row in enumerate(rows):
        credits = []
        for item, label in enumerate(row):
            others = [r[item] for r in rows if r is not row and r[item] is not None]
            if label is not None and others:
                best = modes(others)
                credits.append((label in best) / len(best))
        assert n[annotator] == len(credits)
        expected = sum(credits) / len(credits) if credits else None
        assert values[annotator] == (None if expected is None else pytest.approx(expected))
