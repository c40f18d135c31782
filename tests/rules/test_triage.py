from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.triage import (
    expected_seconds,
    first_for,
    gain,
    mean_agreement,
    ranked,
    typical_seconds,
)

COUNT = st.integers(0, 6)
COUNTS = st.tuples(COUNT, COUNT, COUNT, COUNT)


@pytest.mark.parametrize(
    ("counts", "mean", "expected"),
    [
        # p = 2/4; none of 1 pair agrees, shrunk by one pair of 0.6: 1 x (1 - 0.6/2).
        ((1, 1, 0, 0), 0.6, 0.7),
        # p = 3/5; 1 of 3 pairs: 4 x 0.6 x 0.4 x (1 - 1.6/4).
        ((2, 1, 0, 0), 0.6, 0.96 * 0.6),
        # p = 2.5/4, a tie being half a vote for each; 0 of 1 pairs.
        ((1, 0, 1, 0), 0.6, 4 * 0.625 * 0.375 * 0.7),
        # Both bad is another label than a tie, and half a vote for each too.
        ((0, 0, 1, 1), 0.6, 0.7),
        # p = 5/8; 7 of 15 pairs... 4 + 2 of one label each: 6 + 1.
        ((4, 2, 0, 0), 0.5, 4 * 0.625 * 0.375 * (1 - 7.5 / 16)),
        # One judgment alone has no pair: only the project's mean speaks.
        ((1, 0, 0, 0), 0.6, 4 * (2 / 3) * (1 / 3) * 0.4),
    ],
)
def test_the_gain_of_label_counts_by_hand(counts, mean, expected):
    assert gain(counts, mean) == pytest.approx(expected, abs=1e-12)


def test_the_mean_agreement_weighs_comparisons_alike():
    # Shares of equal pairs: 1, 0 and 1/3, of three, one and two comparisons.
    given_counts = {
        (2, 0, 0, 0): 3,
        (1, 1, 0, 0): 1,
        (2, 1, 0, 0): 2,
        (1, 0, 0, 0): 50,
    }
    assert mean_agreement(given_counts) == pytest.approx((3 + 0 + 2 / 3) / 6)


def test_without_two_judgments_anywhere_the_mean_says_nothing():
    assert mean_agreement({(1, 0, 0, 0): 9}) == 0.5


def test_only_patterns_with_a_disagreement_are_ranked_best_first():
    found = ranked({(3, 0, 0, 0): 9, (2, 1, 0, 0): 4, (1, 1, 1, 0): 2, (1, 2, 0, 0): 0})
    assert [(p.counts, p.comparisons) for p in found] == [((1, 1, 1, 0), 2), ((2, 1, 0, 0), 4)]


@given(first=COUNT, second=COUNT, tie=COUNT, both_bad=COUNT, mean=st.floats(0, 1))
def test_swapping_the_responses_changes_no_gain(first, second, tie, both_bad, mean):
    assert gain((first, second, tie, both_bad), mean) == pytest.approx(
        gain((second, first, tie, both_bad), mean)
    )


@given(n=st.integers(2, 12), data=st.data(), mean=st.floats(0, 1))
def test_of_equally_many_judgments_the_more_even_split_comes_first(n, data, mean):
    smaller = data.draw(st.integers(1, n // 2))
    even = data.draw(st.integers(smaller, n // 2))
    assert gain((n - even, even, 0, 0), mean) >= gain((n - smaller, smaller, 0, 0), mean)


@given(counts=COUNTS, mean=st.floats(0, 1))
def test_a_gain_lies_between_0_and_1(counts, mean):
    assert 0 <= gain(counts, mean) <= 1


@given(counts=COUNTS, low=st.floats(0, 1), high=st.floats(0, 1))
def test_where_others_agree_less_the_gain_is_larger(counts, low, high):
    low, high = sorted((low, high))
    assert gain(counts, low) >= gain(counts, high)


def test_the_time_of_few_judgments_is_drawn_to_the_typical_one():
    assert typical_seconds([[10.0, 20.0], [], [60.0]]) == 30
    assert expected_seconds([60.0], 30.0) == 45
    assert expected_seconds([], 30.0) == 30
    assert typical_seconds([[], []]) == 1


def test_two_reviewers_mostly_begin_elsewhere():
    best = [UUID(int=n) for n in range(8)]
    firsts = [first_for(UUID(int=reviewer), best) for reviewer in range(100, 180)]
    counts = [firsts.count(key) for key in best]
    # Eight equal shares of 80 are 10 each; a fair draw leaves this range once in some thousands.
    assert all(1 <= n <= 25 for n in counts)
    assert first_for(UUID(int=1), []) is None
