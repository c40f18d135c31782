"""Alpha against its published example, a peer library, and cases that peers get wrong."""

import itertools

import krippendorff as peer
import numpy as np
import pytest
from helpers.agreement import KRIPPENDORFF, count_tables, counts_of, estimated, labels_of
from hypothesis import given, settings

from app.rules import krippendorff
from app.rules.krippendorff import (
    krippendorff_alpha_interval,
    krippendorff_alpha_nominal,
    krippendorff_alpha_ordinal,
)

FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]


def nominal(counts):
    return krippendorff_alpha_nominal(counts)


def ordinal(counts):
    return krippendorff_alpha_ordinal(counts, range(counts.shape[1]))


def interval(counts):
    return krippendorff_alpha_interval(counts, list(range(counts.shape[1])))


LEVELS = {"nominal": nominal, "ordinal": ordinal, "interval": interval}


def slow_alpha(counts, distance) -> float:
    """Disagreement within items over that of any two labels, every pair written out."""
    items = [labels_of(row) for row in counts if sum(row) > 1]
    pool = [label for labels in items for label in labels]
    within = sum(
        distance(a, b) / (len(labels) - 1)
        for labels in items
        for a, b in itertools.permutations(labels, 2)
    )
    anywhere = sum(distance(a, b) for a, b in itertools.permutations(pool, 2))
    return 1 - (len(pool) - 1) * within / anywhere


def test_alpha_equals_the_published_example_at_every_level():
    counts = counts_of(KRIPPENDORFF, range(1, 6))

    assert estimated(nominal(counts)).value == pytest.approx(0.743, abs=5e-4)
    assert estimated(krippendorff_alpha_ordinal(counts, FIVE)).value == pytest.approx(
        0.815, abs=5e-4
    )
    assert estimated(krippendorff_alpha_interval(counts, FIVE)).value == pytest.approx(
        0.849, abs=5e-4
    )


def test_the_published_example_follows_from_the_definition_written_out():
    counts = counts_of(KRIPPENDORFF, range(1, 6))
    n_c = counts[counts.sum(axis=1) > 1].sum(axis=0)

    def ordinal_distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        return (n_c[low : high + 1].sum() - (n_c[low] + n_c[high]) / 2) ** 2

    for level, distance in (
        ("nominal", lambda a, b: a != b),
        ("ordinal", ordinal_distance),
        ("interval", lambda a, b: (a - b) ** 2),
    ):
        assert estimated(LEVELS[level](counts)).value == pytest.approx(slow_alpha(counts, distance))


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_of_equal_labels_or_of_single_ones_is_undefined_with_its_reason(level):
    alpha = LEVELS[level]

    for counts, reason in (
        (np.array([[3, 0], [2, 0]]), "one_category"),
        # Another label that nobody could agree or disagree with does not make a second category.
        (np.array([[3, 0], [2, 0], [0, 1]]), "one_category"),
        (np.array([[1, 0], [0, 1]]), "no_overlap"),
    ):
        found = estimated(alpha(counts))
        assert (found.value, found.reason) == (None, reason)


@pytest.mark.parametrize("level", LEVELS)
def test_one_item_with_two_different_labels_has_alpha_zero(level):
    assert estimated(LEVELS[level](np.array([[1, 1]]))).value == pytest.approx(0.0)


@pytest.mark.parametrize("level", LEVELS)
@given(count_tables(4))
@settings(max_examples=50, deadline=None)
def test_alpha_equals_the_peer_library(level, counts):
    found = estimated(LEVELS[level](counts))
    overlapping = counts[counts.sum(axis=1) > 1]
    if (overlapping.sum(axis=0) > 0).sum() < 2:
        assert found.value is None
        return

    expected = peer.alpha(
        value_counts=overlapping, value_domain=[0, 1, 2, 3], level_of_measurement=level
    )
    assert found.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
@given(count_tables(4))
@settings(max_examples=30, deadline=None)
def test_alpha_ignores_single_labels_the_order_of_items_and_turning_the_scale(level, counts):
    alpha = LEVELS[level]
    found = estimated(alpha(counts)).value
    singles = np.vstack([counts, np.eye(4, dtype=np.int64)])

    for changed in (singles, counts[::-1], counts[:, ::-1]):
        assert estimated(alpha(changed)).value == (
            None if found is None else pytest.approx(found, abs=1e-9)
        )


def test_labels_of_equal_place_are_one_label_to_ordinal_alpha():
    counts = np.array([[2, 0, 1, 0], [0, 2, 0, 1], [1, 1, 1, 1], [0, 1, 3, 1], [1, 0, 0, 2]])

    merged = np.column_stack([counts[:, 0], counts[:, 2] + counts[:, 3], counts[:, 1]])

    found = estimated(krippendorff_alpha_ordinal(counts, [0, 2, 1, 1]))
    assert found == estimated(krippendorff_alpha_ordinal(merged, [0, 1, 2]))


def test_a_clash_of_preferences_costs_ordinal_alpha_more_than_a_tie():
    agreed = [[2, 0, 0], [0, 0, 2]] * 10
    clash, tie = np.array([*agreed, [1, 0, 1]]), np.array([*agreed, [1, 1, 0]])

    assert estimated(ordinal(clash)).value < estimated(ordinal(tie)).value


def test_large_values_lose_no_digits():
    """Years and time stamps as grades: moving the scale changes nothing."""
    counts = np.random.default_rng(1).multinomial(3, [0.2, 0.5, 0.3], size=40)

    near = estimated(krippendorff_alpha_interval(counts, [0, 1, 2])).value
    far = estimated(krippendorff_alpha_interval(counts, [1e9, 1e9 + 1, 1e9 + 2])).value

    assert far == pytest.approx(near, abs=1e-6)


def test_very_many_labels_keep_the_ordinal_value_and_nearly_its_interval(monkeypatch):
    rng = np.random.default_rng(2)
    centre = rng.integers(0, 12, 150)
    given_labels = np.clip(centre[:, None] + rng.integers(-2, 3, (150, 3)), 0, 11)
    counts = np.array([[list(row).count(k) for k in range(12)] for row in given_labels])
    exact = estimated(ordinal(counts))

    monkeypatch.setattr(krippendorff, "_MOST_CELLS", 10)
    found = estimated(ordinal(counts))

    assert found.value == pytest.approx(exact.value, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_two_labels_that_are_as_frequent_and_agree_in_726_of_1000_have_an_alpha_of_045():
    """What InstructGPT's training labelers would have: 1 - 1999 * 548 / (2000^2 - 2 * 1000^2)."""
    counts = np.array([[2, 0]] * 363 + [[0, 2]] * 363 + [[1, 1]] * 274)

    assert estimated(nominal(counts)).value == pytest.approx(1 - 1999 * 548 / 2_000_000)
    assert estimated(nominal(counts)).value == pytest.approx(0.45, abs=0.005)


def test_items_are_resampled_not_pairs_so_the_interval_is_as_wide_as_the_items_differ():
    """Sixty items of ten labels: half are clear, half a coin's toss. Resampling pairs of labels
    claims a width of 0.07; that of the items is about 0.24."""
    rng = np.random.default_rng(11)
    clear = np.array([[10, 0], [0, 10]] * 15)
    heads = rng.binomial(10, 0.5, 30)
    counts = np.vstack([clear, np.column_stack([heads, 10 - heads])])

    found = estimated(nominal(counts))

    assert found.value == pytest.approx(0.45, abs=0.06)
    assert 0.18 < found.high - found.low < 0.30


def test_the_interval_holds_the_true_alpha_about_nineteen_times_of_twenty():
    """Three labels an item, each A with a probability drawn evenly from 0 to 1: two labels agree
    with probability E[p^2 + (1 - p)^2] = 2/3 against a chance of 1/2, so alpha is 1/3."""
    rng, inside = np.random.default_rng(3), 0
    for _ in range(300):
        first = rng.binomial(3, rng.random(120))
        found = estimated(nominal(np.column_stack([first, 3 - first])))
        inside += found.low <= 1 / 3 <= found.high

    # 285 of 300 are expected, with a standard error of 4.
    assert 273 <= inside <= 297
