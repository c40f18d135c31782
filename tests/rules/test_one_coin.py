"""One-coin, against expectation maximisation written as loops."""

import numpy as np
import pytest
from helpers.crowds import crowd

from app.rules import one_coin


def slow_one_coin(items, annotators, labels, n_items, n_annotators, n_labels, steps=2000):
    """Maximum likelihood, one number after the other."""
    rows = list(zip(items.tolist(), annotators.tolist(), labels.tolist(), strict=True))
    votes = [[0.0] * n_labels for _ in range(n_items)]
    for i, _, label in rows:
        votes[i][label] += 1
    posterior = [[v / sum(vs) for v in vs] for vs in votes]
    for _ in range(steps):
        priors = [sum(p[j] for p in posterior) / n_items for j in range(n_labels)]
        right, n = [0.0] * n_annotators, [0] * n_annotators
        for i, r, label in rows:
            right[r] += posterior[i][label]
            n[r] += 1
        s = [a / b for a, b in zip(right, n, strict=True)]
        posterior = [list(priors) for _ in range(n_items)]
        for i, r, label in rows:
            for j in range(n_labels):
                posterior[i][j] *= s[r] if j == label else (1 - s[r]) / (n_labels - 1)
        posterior = [[p / sum(ps) for p in ps] for ps in posterior]
    return np.array(posterior), np.array(priors), np.array(s)


@pytest.mark.parametrize("q", [2, 3])
def test_maximum_likelihood_equals_the_slow_way(q):
    made = crowd(np.array([0.9, 0.8, 0.75, 0.7]), n_items=60, labels_per_item=(4, 4), seed=2, q=q)

    fitted = one_coin.fit(made.items, made.annotators, made.labels, smoothing=0, **made.sizes)

    posterior, priors, accuracy = slow_one_coin(
        made.items, made.annotators, made.labels, *made.sizes.values()
    )
    assert fitted.converged
    assert fitted.posterior == pytest.approx(posterior, abs=1e-5)
    assert fitted.priors == pytest.approx(priors, abs=1e-5)
    assert fitted.accuracy == pytest.approx(accuracy, abs=1e-5)


def test_a_known_truth_gives_the_shares_of_right_labels():
    """Five who are always right leave no doubt, so the sixth has (4 + 30) / (5 + 40), and 39 of
    them the interval of Beta(34, 11)."""
    truth = np.arange(40) % 2
    items = np.tile(np.arange(40), 6)
    annotators = np.repeat(np.arange(6), 40)
    sixth = np.where(np.arange(40) < 30, truth, 1 - truth)
    labels = np.concatenate([np.tile(truth, 5), sixth])

    fitted = one_coin.fit(items, annotators, labels, n_items=40, n_annotators=6, n_labels=2)

    assert fitted.accuracy[5] == pytest.approx(34 / 45, abs=1e-3)
    # Beta(34, 11): mean 0.7556, standard deviation sqrt(0.7556 * 0.2444 / 46) = 0.0634.
    assert fitted.low[5] == pytest.approx(0.622, abs=0.005)
    assert fitted.high[5] == pytest.approx(0.868, abs=0.005)
