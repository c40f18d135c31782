import math

import numpy as np
import pytest

from rm_training.data import Pair
from rm_training.evaluate import (
    calibration,
    clustered_interval,
    cross_entropy,
    evaluate,
    longer_is_preferred,
    slices,
    wilson_interval,
)
from training.bundle import PreferenceRow


def pair(
    *, longer_by: int = 0, probability: float = 1.0, prompt_id: str | None = None, number: int = 0
) -> Pair:
    row = PreferenceRow(
        prompt=[{"role": "user", "content": "x"}],
        chosen="a",
        rejected="b",
        probability=probability,
        weight=1.0,
        strength=None,
        prompt_id=prompt_id or f"p{number}",
        comparison_id=f"c{number}",
        group_id=None,
        chosen_source=None,
        rejected_source=None,
        tags=(),
    )
    return Pair([], [], 10 + longer_by, 10, row)


def scores(*differences: float) -> np.ndarray:
    return np.array([[difference, 0.0] for difference in differences])


def test_wilson_interval_of_eight_in_ten() -> None:
    # By hand with z = 1.96: centre (0.8 + 0.19207) / 1.38415, half-width 0.22655.
    interval = wilson_interval(8, 10)

    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_wilson_interval_of_no_error_stays_inside_one() -> None:
    assert wilson_interval(10, 10).high == pytest.approx(1.0)
    assert wilson_interval(10, 10).low == pytest.approx(10 / (10 + 1.959964**2), rel=1e-6)


def test_equal_scores_are_errors() -> None:
    result = evaluate(scores(1.0, 0.0), [pair(), pair(number=1)], prefer_longer=True, seed=0)

    assert result.accuracy == 0.5


def test_a_label_below_one_half_prefers_the_other_side_and_one_half_counts_for_nothing() -> None:
    pairs = [pair(probability=p, number=i) for i, p in enumerate((0.9, 0.2, 0.5))]

    result = evaluate(scores(1.0, -1.0, -1.0), pairs, prefer_longer=True, seed=0)

    assert (result.n, result.accuracy) == (2, 1.0)


def test_the_length_rule_is_fitted_on_training_rows() -> None:
    shorter = [pair(longer_by=-2), pair(longer_by=-1), pair(longer_by=9)]

    assert not longer_is_preferred(shorter)
    assert longer_is_preferred([pair(longer_by=1)])
    assert not longer_is_preferred([pair(longer_by=1, probability=0.1)])


def test_the_length_baseline_tosses_a_coin_on_equal_lengths() -> None:
    pairs = [pair(longer_by=by, number=i) for i, by in enumerate((3, -3, 0, 0))]

    result = evaluate(scores(1.0, 1.0, 1.0, 1.0), pairs, prefer_longer=True, seed=0)

    assert result.length_accuracy == 0.5
    assert result.above_length == 0.5


def test_rows_of_one_prompt_widen_the_interval() -> None:
    values = np.array([1.0] * 30 + [0.0] * 30)
    alone = clustered_interval(values, [str(i) for i in range(60)], 0)
    together = clustered_interval(values, [str(i // 10) for i in range(60)], 0)

    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_interval_by_prompt_is_given_only_where_rows_share_prompts() -> None:
    pairs = [pair(number=0), pair(number=1)]
    shared = [pair(prompt_id="p"), pair(prompt_id="p")]

    assert evaluate(scores(1, 1), pairs, prefer_longer=True, seed=0).clustered is None
    assert evaluate(scores(1, 1), shared, prefer_longer=True, seed=0).clustered is not None


def test_the_verdict_admits_a_model_no_better_than_chance() -> None:
    pairs = [pair(longer_by=1, number=i) for i in range(100)]
    weak = evaluate(scores(*[1.0, -1.0] * 50), pairs, prefer_longer=True, seed=0)

    assert "NOT above chance" in weak.verdict
    assert "NOT above the length-only baseline 1.000" in weak.verdict


def test_the_verdict_of_a_good_model_names_both_baselines() -> None:
    pairs = [pair(longer_by=1 if i % 2 else -1, number=i) for i in range(100)]
    good = evaluate(scores(*[1.0] * 90 + [-1.0] * 10), pairs, prefer_longer=True, seed=0)

    assert "0.900 (n = 100 pairs" in good.verdict
    assert "is above chance by more than its interval" in good.verdict
    assert "and above the length-only baseline 0.500" in good.verdict


def test_the_verdict_warns_of_a_handful_of_prompts() -> None:
    few = [pair(prompt_id=f"p{i % 4}", number=i) for i in range(100)]
    many = [pair(prompt_id=f"p{i % 20}", number=i) for i in range(100)]
    right = scores(*[1.0] * 90 + [-1.0] * 10)

    warned = evaluate(right, few, prefer_longer=True, seed=0)

    assert warned.prompts == 4
    assert "resampling 4 prompts" in warned.verdict
    assert "All pairs come from 4 prompts, too few" in warned.verdict
    assert "too few" not in evaluate(right, many, prefer_longer=True, seed=0).verdict


def test_cross_entropy_of_a_coin_is_log_two() -> None:
    assert cross_entropy(np.zeros(3), np.array([1.0, 0.5, 0.2])) == pytest.approx(math.log(2))


def test_calibration_bands_count_every_decided_row_once() -> None:
    # sigmoid of 0, 1 and 5 is 0.5, 0.731 and 0.993; the last label is undecided.
    differences = np.array([0.0, 1.0, -5.0, 5.0])
    table = calibration(differences, np.array([1.0, 1.0, 1.0, 0.5]))

    assert [row[1] for row in table] == [1, 0, 1, 0, 1]
    assert [row[3] for row in table] == [0.0, None, 1.0, None, 0.0]


def test_slices_split_by_length_and_confidence() -> None:
    pairs = [pair(longer_by=2), pair(longer_by=-2, probability=0.6)]

    table = {row[0]: row[1:3] for row in slices(np.array([1.0, -1.0]), pairs)}

    assert table["chosen is longer"] == [1, 1.0]
    assert table["chosen is shorter"] == [1, 0.0]
    assert table["equal length"] == [0, None]
    assert table["label probability below 0.75"] == [1, 0.0]
