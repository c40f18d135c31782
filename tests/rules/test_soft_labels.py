"""Soft labels: by hand, and against what simulated people prefer."""

import math

import numpy as np
import pytest
from helpers.crowds import crowd
from hypothesis import given
from hypothesis import strategies as st

from app.rules.preferences import aggregate
from app.rules.soft_labels import Reliability, reliability, soft_label

NOBODY: Reliability[str] = Reliability()
SOME = Reliability(
    accuracy={"good": 0.9, "coin": 0.5, "poor": 0.6, "inverter": 0.2},
    mean_accuracy=0.75,
    mean_reliability=0.5,
)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_without_known_annotators_it_is_the_vote_share(first, second, ties):
    if first + second + ties == 0:
        return
    found = soft_label(["x"] * first, ["y"] * second, ["z"] * ties, NOBODY)

    share = aggregate(first, second, ties).first_probability
    assert found.preferred == pytest.approx(share, abs=1e-6)
    assert (found.preferred == 0.5) == (first == second)
    # Each vote has the odds of the prior's mean, 4 to 1.
    assert found.true == pytest.approx(1 / (1 + 4.0 ** (second - first)), abs=1e-6)


def test_weights_are_reliabilities_over_their_mean():
    """2 s - 1 of 0.9, 0.5, 0.6 and 0.2 is 0.8, 0, 0.2 and -0.6; over 0.5, and 1 for a stranger."""
    weights = [SOME.weight_of(who) for who in ("good", "coin", "poor", "inverter", "stranger")]

    assert weights == [1.6, 0.0, 0.4, 0.0, 1.0]
    assert SOME.accuracy_of("stranger") == 0.75


def test_one_good_annotator_against_two_poor_ones_by_hand():
    """(1.6 + 1) / (1.6 + 0.8 + 2), and odds of 9 against 1.5 squared."""
    found = soft_label(["good"], ["poor", "poor"], [], SOME)

    assert found.preferred == pytest.approx(2.6 / 4.4, abs=1e-6)
    assert found.true == pytest.approx(4 / 5, abs=1e-6)


def test_a_tie_is_half_for_each_and_tells_nothing_of_the_truth():
    """(1.6 + 0.4 / 2 + 1) / (2 + 2)."""
    found = soft_label(["good"], [], ["poor"], SOME)

    assert found.preferred == pytest.approx(2.8 / 4, abs=1e-6)
    assert found.true == pytest.approx(0.9, abs=1e-6)
    assert soft_label([], [], ["good"], SOME).preferred == 0.5


def test_an_inverter_counts_nothing_for_preference_and_against_for_truth():
    found = soft_label(["inverter"], [], [], SOME)

    assert (found.preferred, found.true) == (0.5, pytest.approx(0.2))


def test_no_judgments_have_no_label():
    with pytest.raises(ValueError, match="without votes"):
        soft_label([], [], [], NOBODY)


def test_who_shared_few_decisions_is_not_weighed():
    """Two annotators and 19 items; a third who judges alone."""
    items = np.concatenate([np.tile(np.arange(19), 2), np.arange(19, 80)])
    annotators = np.repeat([0, 1, 2], [19, 19, 61])
    labels = np.zeros(99, dtype=np.int64)

    assert reliability(items, annotators, labels, ["a", "b", "c"]) == Reliability()
    assert reliability(*(np.zeros(0, np.int64),) * 3, []) == Reliability()


def test_two_who_always_agree_are_weighed_alike_and_the_lonely_one_is_not():
    items = np.concatenate([np.tile(np.arange(30), 2), np.arange(30, 90)])
    annotators = np.repeat([0, 1, 2], [30, 30, 60])
    labels = np.concatenate([np.tile(np.arange(30) % 2, 2), np.ones(60, dtype=np.int64)])

    found = reliability(items, annotators, labels, ["a", "b", "c"])

    assert set(found.accuracy) == {"a", "b"}
    assert found.weight_of("a") == found.weight_of("b") == found.weight_of("c") == 1
    # All agree: 4 and 30 right of 5 and 30, as nearly as two can tell.
    assert found.mean_accuracy == pytest.approx(34 / 35, abs=0.01)


def test_items_that_one_annotator_judged_change_nothing():
    made = crowd(np.array([0.9, 0.8, 0.7, 0.6]), n_items=100, labels_per_item=(3, 3), seed=1)
    names = list("abcd")
    alone = np.arange(100, 160)

    found = reliability(made.items, made.annotators, made.labels, names)
    again = reliability(
        np.append(made.items, alone),
        np.append(made.annotators, np.zeros(60, np.int64)),
        np.append(made.labels, alone % 2),
        names,
    )

    assert again == found


def test_what_is_called_first_in_each_item_changes_nothing():
    made = crowd(np.array([0.9, 0.8, 0.7, 0.6]), n_items=100, labels_per_item=(3, 3), seed=2)
    turned = np.random.default_rng(0).integers(0, 2, 100)
    order = np.random.default_rng(1).permutation(300)

    found = reliability(made.items, made.annotators, made.labels, list("abcd"))
    again = reliability(
        made.items[order],
        made.annotators[order],
        (made.labels ^ turned[made.items])[order],
        list("abcd"),
    )

    assert again == found


def test_a_crowd_of_coins_is_not_weighed_at_all():
    coins = Reliability(accuracy={"a": 0.5, "b": 0.4}, mean_accuracy=0.45, mean_reliability=0.0)

    assert coins.weight_of("a") == coins.weight_of("c") == 1


def test_weighing_brings_labels_nearer_to_what_the_reliable_prefer():
    """Each item has a share of people who prefer the first; half of the annotators are coins. The
    log-loss against a fresh reliable person falls when annotators are weighed."""
    rng = np.random.default_rng(3)
    share = rng.beta(0.6, 0.6, 600)
    items = np.repeat(np.arange(600), 4)
    annotators = np.concatenate([rng.permutation(12)[:4] for _ in range(600)])
    answers = np.where(annotators < 6, share[items], 0.5)
    labels = (rng.random(2400) >= answers).astype(np.int64)
    names = list(range(12))
    known = reliability(items, annotators, labels, names)

    def loss(reliable):
        total = 0.0
        for item in range(600):
            here = items == item
            voters = [annotators[here & (labels == k)].tolist() for k in (0, 1)]
            p = soft_label(*voters, [], reliable).preferred
            total -= share[item] * math.log(p) + (1 - share[item]) * math.log(1 - p)
        return total / 600

    assert loss(known) < loss(Reliability()) - 0.005
