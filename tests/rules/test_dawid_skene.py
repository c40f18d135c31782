"""Dawid-Skene, against the example of 1979 and against loops."""

import numpy as np
import pytest
from helpers.crowds import crowd

from app.rules import dawid_skene

# Table 1 of the paper: 45 patients; observer 1 three times, then observers 2 to 5.
PATIENTS = [
    "1111111",
    "3334334",
    "1122122",
    "2223121",
    "2223222",
    "2223322",
    "1222111",
    "3333433",
    "2222223",
    "2322223",
    "4444444",
    "2223343",
    "1111111",
    "2223212",
    "1211111",
    "1112111",
    "1111111",
    "1111111",
    "2222221",
    "2221322",
    "2222222",
    "2222221",
    "2223222",
    "2212222",
    "1111111",
    "1111111",
    "2322222",
    "1111111",
    "1111111",
    "1121121",
    "1111111",
    "3333233",
    "1111111",
    "2222222",
    "2223232",
    "4334343",
    "2212232",
    "2323233",
    "3333432",
    "1111111",
    "1111111",
    "1212111",
    "2322222",
    "1211111",
    "2222222",
]


def anaesthetists():
    labels = np.array([[int(digit) - 1 for digit in patient] for patient in PATIENTS])
    items = np.repeat(np.arange(45), 7)
    annotators = np.tile([0, 0, 0, 1, 2, 3, 4], 45)
    return items, annotators, labels.ravel()


def test_the_anaesthetists_of_1979_have_the_published_priors():
    """Dawid & Skene 1979, table 2: 0.40, 0.42, 0.11, 0.07."""
    fitted = dawid_skene.fit(*anaesthetists(), n_items=45, n_annotators=5, n_labels=4, smoothing=0)

    assert fitted.converged
    assert fitted.priors.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]


def slow_way(n, posterior, steps=500):
    """EM written out, from the posterior that it is given: the posterior and the confusion."""
    for _ in range(steps):
        priors = posterior.mean(axis=0)
        confusion = np.einsum("ij,irl->rjl", posterior, n)
        confusion /= confusion.sum(axis=2, keepdims=True)
        posterior = np.empty_like(posterior)
        for i, j in np.ndindex(45, 4):
            posterior[i, j] = priors[j] * np.prod(confusion[:, j] ** n[i])
        posterior /= posterior.sum(axis=1, keepdims=True)
    return posterior, confusion


def test_the_anaesthetists_equal_the_slow_way_from_the_shares_and_not_from_the_majority():
    items, annotators, labels = anaesthetists()
    n = np.zeros((45, 5, 4))
    np.add.at(n, (items, annotators, labels), 1)
    shares = n.sum(axis=1) / n.sum(axis=(1, 2))[:, None]
    posterior, confusion = slow_way(n, shares)

    fitted = dawid_skene.fit(
        items, annotators, labels, n_items=45, n_annotators=5, n_labels=4, smoothing=0
    )

    assert fitted.posterior == pytest.approx(posterior, abs=1e-5)
    assert fitted.confusion == pytest.approx(confusion, abs=1e-5)
    # Another maximum: started from the most frequent label alone, four of 45 come out otherwise.
    other, _ = slow_way(n, np.eye(4)[shares.argmax(axis=1)])
    assert (other.argmax(axis=1) != fitted.posterior.argmax(axis=1)).sum() == 4


def test_unsmoothed_soft_labels_are_overconfident_where_labels_are_few():
    """STATISTICS.md 4.6: log-loss 0.824 without smoothing and 0.483 with it, at 1 to 3 labels."""
    losses = {0: [], None: []}
    for seed in range(5):
        accuracy = np.random.default_rng(seed).beta(8, 3, 12)
        made = crowd(accuracy, n_items=400, labels_per_item=(1, 3), seed=seed)
        for smoothing, found in losses.items():
            fitted = dawid_skene.fit(
                made.items, made.annotators, made.labels, smoothing=smoothing, **made.sizes
            )
            given = fitted.posterior[np.arange(400), made.truth]
            found.append(-np.log(np.maximum(given, 1e-12)).mean())

    assert np.mean(losses[0]) > 1.5 * np.mean(losses[None])


def test_who_confuses_two_labels_is_found():
    made = crowd(np.full(6, 0.85), n_items=400, labels_per_item=(4, 4), seed=9, q=3)
    labels = np.where((made.annotators == 5) & (made.labels == 2), 1, made.labels)

    fitted = dawid_skene.fit(made.items, made.annotators, labels, **made.sizes)

    # Annotator 5 never says 2, and says 1 for it: 0.85 + 0.15 / 2.
    assert fitted.confusion[5, 2] == pytest.approx([0.075, 0.925, 0.0], abs=0.06)
    assert fitted.confusion[0, 2, 2] == pytest.approx(0.85, abs=0.06)
