"""One-coin and Dawid-Skene know no difficulty: what they say of simulated items that differ in it.

Where an item is hard for everybody, annotators are wrong together, and no model of their judgments
alone can know it: the numbers then tell about the answer that most would give.
"""

import numpy as np
import pytest
from scipy.special import expit, logit

from app.rules import dawid_skene, one_coin

MODELS = [one_coin.fit, dawid_skene.fit]
ITEMS = 300
MANY = np.random.default_rng(5).normal(size=4000)
"""Difficulties that stand for all there are."""


def crowd_beside(model, spread, labels_per_item, seed):
    """Accuracies that the model finds with their intervals, how often each of 12 annotators is
    right, and how often each gives the answer that most would give. The log-odds of being right
    are the annotator's and the item's, N(0, spread^2)."""
    rng = np.random.default_rng(seed)
    known = logit(rng.beta(8, 3, 12))
    truth = rng.integers(0, 2, ITEMS)
    items = np.repeat(np.arange(ITEMS), labels_per_item)
    annotators = np.concatenate([rng.permutation(12)[:labels_per_item] for _ in range(ITEMS)])
    easy = spread * rng.normal(size=ITEMS)
    is_right = rng.random(len(items)) < expit(known[annotators] + easy[items])
    labels = np.where(is_right, truth[items], 1 - truth[items])
    found = model(
        items, annotators, labels, n_items=ITEMS, n_annotators=12, n_labels=2, exchangeable=(0, 1)
    )
    right = expit(known[:, None] + spread * MANY)
    as_most = np.where(right.mean(axis=0) > 0.5, right, 1 - right)
    return found, right.mean(axis=1), as_most.mean(axis=1)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("spread", "labels_per_item"), [(0.5, 3), (1.0, 5), (2.0, 5)])
def test_intervals_hold_how_often_somebody_answers_as_most_would(model, spread, labels_per_item):
    """15 crowds are 180 intervals: 95 % of them have a standard error of 1.6 %."""
    inside = []
    for seed in range(15):
        found, _, as_most = crowd_beside(model, spread, labels_per_item, seed)
        inside.append((found.low <= as_most) & (as_most <= found.high))

    assert 0.9 <= np.mean(inside) <= 1


@pytest.mark.parametrize("model", MODELS)
def test_where_everybody_is_wrong_together_accuracy_is_no_truth(model):
    found, right, as_most = crowd_beside(model, 2.0, 5, 1)

    assert found.accuracy.mean() == pytest.approx(as_most.mean(), abs=0.04)
    assert found.accuracy.mean() > right.mean() + 0.1
