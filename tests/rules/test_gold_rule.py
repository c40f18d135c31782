"""The sequential rule for known answers: by hand, and its error rates in simulation."""

import math

import numpy as np
import pytest

from app.rules.gold_rule import GoldDecision, GoldRule, gold_accuracy

GOOD, LOW, ON = GoldDecision.GOOD_ENOUGH, GoldDecision.TOO_LOW, GoldDecision.GO_ON


@pytest.mark.parametrize(
    ("right", "n", "decision"),
    [
        (0, 0, ON),
        (19, 19, ON),  # Clear, but fewer than 20.
        (20, 20, GOOD),  # 20 ln(9/7) = 5.03 > ln 19 = 2.94.
        (18, 20, ON),  # 18 ln(9/7) - 2 ln 3 = 2.33.
        (19, 20, GOOD),  # 19 ln(9/7) - ln 3 = 3.68.
        (13, 20, LOW),  # 13 ln(9/7) - 7 ln 3 = -4.42.
        (14, 20, LOW),  # 14 ln(9/7) - 6 ln 3 = -3.07.
        (15, 20, ON),  # 15 ln(9/7) - 5 ln 3 = -1.72.
    ],
)
def test_decisions_by_hand(right, n, decision):
    assert GoldRule().decide(right, n) == decision
    assert GoldRule().evidence(right, n) == pytest.approx(
        right * math.log(9 / 7) - (n - right) * math.log(3)
    )


@pytest.mark.parametrize(("accuracy", "wrong"), [(0.9, LOW), (0.7, GOOD)])
def test_at_most_five_in_a_hundred_are_decided_wrongly_however_often_one_looks(accuracy, wrong):
    rng = np.random.default_rng(0)
    rule, mistakes, undecided = GoldRule(), 0, 0
    for _ in range(1000):
        right, decision, n = 0, ON, 0
        while decision == ON and n < 400:
            n += 1
            right += rng.random() < accuracy
            decision = rule.decide(right, n)
        mistakes += decision == wrong
        undecided += decision == ON

    assert mistakes / 1000 <= 0.06
    assert undecided == 0


def test_eight_of_ten_has_both_intervals_and_no_decision():
    found = gold_accuracy(8, 10)

    assert (round(found.accuracy.low, 2), round(found.accuracy.high, 2)) == (0.49, 0.94)
    assert (round(found.exact.low, 2), round(found.exact.high, 2)) == (0.44, 0.97)
    assert found.decision == ON
    assert gold_accuracy(0, 0).accuracy.reason == "no_gold"
    # 8 ln(9/7) - 2 ln 3: 0.83 times as likely from a good one, 1.21 times from a bad one.
    assert found.p == pytest.approx((9 / 7) ** 8 / 9)
    assert found.times_likelier == pytest.approx(9 / (9 / 7) ** 8)
    assert gold_accuracy(0, 0).p is None
    assert gold_accuracy(0, 9999).times_likelier == math.inf


def test_a_good_annotator_is_below_a_p_no_more_often_than_it_says_however_often_one_looks():
    """500 who are right in 90 %, looked at after each of 100 answers."""
    rng = np.random.default_rng(1)
    right = (rng.random((500, 100)) < 0.9).cumsum(axis=1)
    lowest = [min(gold_accuracy(int(k), n).p for n, k in enumerate(of, 1)) for of in right]

    assert np.mean(np.array(lowest) <= 0.1) <= 0.1 + 2 * math.sqrt(0.09 / 500)


def test_a_rule_that_cannot_decide_is_refused():
    with pytest.raises(ValueError, match="0 < bad < good < 1"):
        GoldRule(good=0.7, bad=0.9)
    with pytest.raises(ValueError, match=r"expected 0 to 0\.5"):
        GoldRule(wrong_decisions=0.5)
