"""Costs and forecasts, by hand."""

import math

import pytest

from app.rules.costs import Pay, cost_to_come, days_left, expected_costs, unit_costs


def test_pay_is_by_judgment_and_by_hour():
    assert Pay(per_judgment=0.1, per_hour=18).cost(200, 7200) == pytest.approx(20 + 36)
    with pytest.raises(ValueError, match="0 or more"):
        Pay(per_hour=-1)


def test_what_was_spent_over_what_it_bought():
    """60 certain labels and 20 split ones."""
    found = unit_costs(120.0, 240, [1.0, 0.5], [60, 20])

    assert found.per_judgment == 0.5
    assert found.per_comparison == 1.5
    assert (found.usable_pairs, found.per_usable_pair) == (60, 2.0)
    assert (found.bits, found.per_bit) == (pytest.approx(60), pytest.approx(2.0))


def test_what_bought_nothing_has_no_price():
    found = unit_costs(5.0, 0, [], [])

    assert found.per_judgment is found.per_usable_pair is found.per_bit is None


def test_expected_costs_of_two_judgments_by_hand():
    """A uniform share: 2-0, 1-1 and 0-2 are equally likely; their labels are 3/4, 1/2 and 1/4."""
    found = expected_costs(0.3, 1.0, 2)

    bits = 2 / 3 * (1 - (0.75 * math.log2(4 / 3) + 0.5))
    assert found.per_comparison == pytest.approx(0.6)
    assert found.per_usable_pair == pytest.approx(0.9)
    assert found.per_bit == pytest.approx(0.6 / bits)


def test_larger_comparisons_bear_their_share_of_the_spend():
    """A quarter of 120 was for comparisons of two: 30 for 60 labels that are certain."""
    found = unit_costs(120.0, 240, [1.0], [60], share_of_two=0.25)

    assert (found.spent, found.per_judgment) == (120.0, 0.5)
    assert found.per_comparison == found.per_usable_pair == found.per_bit == pytest.approx(0.5)


def test_what_is_to_come_costs_what_the_work_of_late_did_and_what_is_planted_beside_it():
    """30 judgments at 0.50 and 10 at 0.10 cost 0.40 each; of five paid, four fill a place."""
    found = cost_to_come({"person": 0.5, "model": 0.1}, {"person": 30, "model": 10}, 0.2)

    assert (found.value, found.n) == (pytest.approx(0.5), 40)


def test_what_is_to_come_has_no_price_without_work_or_times():
    assert cost_to_come({}, {}, 0.0).reason == "no_pace"
    assert cost_to_come({"person": None}, {"person": 3}, 0.0).reason == "no_times"


def test_a_forecast_at_the_pace_of_the_latest_days():
    found = days_left(1000, [80, 120, 100, 90, 110])

    half = 1.959964 * math.sqrt(250 / 5)
    assert found.value == 10
    assert found.low == pytest.approx(1000 / (100 + half))
    assert found.high == pytest.approx(1000 / (100 - half))


def test_a_forecast_says_what_it_cannot_know():
    assert days_left(10, []).reason == "no_pace"
    assert days_left(10, [0, 0]).reason == "no_pace"
    assert days_left(10, [5]).reason == "too_few_for_interval"
    uneven = days_left(10, [0, 0, 0, 0, 50])
    assert (uneven.reason, uneven.high) == ("pace_too_uneven", None)
