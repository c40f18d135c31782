"""Agreement against published tables, a slow formula, and a peer library."""

import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.rules.agreement import (
    chance_agreement,
    krippendorff_alpha_nominal,
    measure,
    percent_agreement,
)

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers,
# twelve units, missing values; nominal alpha is 0.743.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]

tables = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=30).map(
    lambda rows: np.array(rows, dtype=np.int64)
)


def counts_of(observers: list[list[int | None]], labels: range) -> NDArray[np.int64]:
    return np.array(
        [[sum(o[i] == k for o in observers) for k in labels] for i in range(len(observers[0]))],
        dtype=np.int64,
    )


def own_groups(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.arange(len(counts))


def pairwise_agreement(counts: NDArray[np.int64]) -> float | None:
    """By writing out every pair of labels."""
    shares = []
    for row in counts:
        labels = [k for k, n in enumerate(row) for _ in range(n)]
        pairs = list(itertools.combinations(labels, 2))
        if pairs:
            shares.append(sum(a == b for a, b in pairs) / len(pairs))
    return sum(shares) / len(shares) if shares else None


def test_alpha_equals_the_published_example() -> None:
    counts = counts_of(PUBLISHED, range(1, 6))

    assert krippendorff_alpha_nominal(counts, own_groups(counts)).value == pytest.approx(
        0.743, abs=5e-4
    )


def test_percent_agreement_of_three_items_by_hand() -> None:
    # Three of three agree: 1. Two against one: 1 of 3 pairs. One label alone does not count.
    counts = np.array([[3, 0], [2, 1], [1, 0]])

    found = percent_agreement(counts, own_groups(counts))

    assert found.value == pytest.approx((1 + 1 / 3) / 2)
    assert found.n == 2


def test_without_a_second_label_agreement_is_undefined_with_its_reason() -> None:
    counts = np.array([[1, 0], [0, 1]])

    for statistic in (percent_agreement, krippendorff_alpha_nominal, chance_agreement):
        found = statistic(counts, own_groups(counts))
        assert (found.value, found.n, found.reason) == (None, 0, "no_overlap")


def test_alpha_of_a_single_used_category_is_undefined_not_one() -> None:
    counts = np.array([[3, 0], [2, 0]])

    found = krippendorff_alpha_nominal(counts, own_groups(counts))

    assert (found.value, found.reason) == (None, "one_category")


def test_a_single_disputed_item_has_alpha_zero() -> None:
    counts = np.array([[1, 1]])

    assert krippendorff_alpha_nominal(counts, own_groups(counts)).value == pytest.approx(0.0)


def test_fewer_than_twenty_units_have_a_value_but_no_interval() -> None:
    counts = np.tile([2, 1], (19, 1))

    found = percent_agreement(counts, own_groups(counts))

    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high, found.reason) == (None, None, "too_few_for_interval")


def test_the_bootstrap_interval_matches_the_normal_one_where_both_are_right() -> None:
    """2,000 pairs, 1,400 equal: the normal interval is 0.7 ± 1.96 sqrt(0.21 / 2000)."""
    counts = np.array([[2, 0]] * 1400 + [[1, 1]] * 600)

    found = percent_agreement(counts, own_groups(counts))

    half = 1.96 * math.sqrt(0.7 * 0.3 / 2000)
    assert found.low == pytest.approx(0.7 - half, abs=0.003)
    assert found.high == pytest.approx(0.7 + half, abs=0.003)


def test_items_of_one_prompt_are_resampled_together() -> None:
    """Fifty prompts of twenty equal items carry the information of fifty items, not a thousand."""
    counts = np.repeat(np.array([[2, 0]] * 35 + [[1, 1]] * 15), 20, axis=0)
    prompts = np.repeat(np.arange(50), 20)

    found = percent_agreement(counts, prompts)

    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.21 / 50), rel=0.15)


def test_ties_are_left_out_of_the_figures_without_ties() -> None:
    counts = np.array([[2, 0, 1], [0, 2, 0], [1, 0, 1]])

    report = measure(counts, own_groups(counts), ("a", "b", "tie"), ("tie",), n_annotators=3)

    assert report.percent_agreement_no_ties.value == pytest.approx(1.0)
    assert report.percent_agreement_no_ties.n == 2
    assert report.percent_agreement.value == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert report.n_pairs == 3 + 1 + 1
    assert report.verdict_shares == pytest.approx({"a": 3 / 7, "b": 2 / 7, "tie": 2 / 7})


@given(tables)
@settings(max_examples=60, deadline=None)
def test_percent_agreement_equals_the_list_of_all_pairs(counts: NDArray[np.int64]) -> None:
    found = percent_agreement(counts, own_groups(counts)).value

    expected = pairwise_agreement(counts)
    assert found == (None if expected is None else pytest.approx(expected))


@given(tables)
@settings(max_examples=60, deadline=None)
def test_alpha_equals_the_peer_library_and_ignores_the_order_of_rows_and_labels(
    counts: NDArray[np.int64],
) -> None:
    found = krippendorff_alpha_nominal(counts, own_groups(counts))
    overlapping = counts[counts.sum(axis=1) > 1]
    if (overlapping.sum(axis=0) > 0).sum() < 2:
        assert found.value is None
        return

    peer = krippendorff.alpha(value_counts=overlapping, level_of_measurement="nominal")
    assert found.value == pytest.approx(peer, abs=1e-9)
    assert krippendorff_alpha_nominal(
        counts[::-1, ::-1], own_groups(counts)
    ).value == pytest.approx(found.value, abs=1e-9)
