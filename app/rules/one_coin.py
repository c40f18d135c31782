"""One-coin model: each annotator is right with one probability, whatever the truth.

P(label = truth) = s_r, and every other label has (1 - s_r) / (q - 1). It is Dawid-Skene with one
parameter for each annotator, the right model for one to five labels per item. s_r < 1/q is worse than
chance. Left out: labels that are easier to get right than others (`dawid_skene`).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from app.rules import latent_truth
from app.rules.bootstrap import Floats
from app.rules.latent_truth import LatentTruth, Prior

PRIOR = Prior(right=4, wrong=1)


def fit(
    items: ArrayLike,
    annotators: ArrayLike,
    labels: ArrayLike,
    *,
    n_items: int,
    n_annotators: int,
    n_labels: int,
    smoothing: float | None = None,
    exchangeable: tuple[int, int] | None = None,
) -> LatentTruth:
    """The model of (M,) judgments, items, annotators and labels numbered from 0.

    smoothing None is the prior Beta(4, 1) on s_r, as pseudo-counts (the mode on the logit scale) and
    one pseudo-item for each label; 0 is maximum likelihood; other numbers multiply the pseudo-counts.
    """
    matrix = latent_truth.vote_matrix(
        items, annotators, labels, shape=(n_items, n_annotators, n_labels)
    )
    prior = PRIOR.scaled(smoothing)

    def m_step(counts: Floats) -> Floats:
        n = counts.sum(axis=(1, 2)) + prior.right + prior.wrong
        right = np.einsum("rjj->r", counts) + prior.right
        share = np.divide(right, n, out=np.full(len(n), 1 / n_labels), where=n > 0)
        return confusion_of(share, n_labels)

    return latent_truth.fit(
        matrix,
        m_step,
        n_labels=n_labels,
        prior=PRIOR,
        smoothing=smoothing,
        exchangeable=exchangeable,
    )


def confusion_of(accuracy: Any, n_labels: int) -> Floats:
    """(R, q, q) from (R,) accuracies."""
    other = (1 - accuracy) / max(n_labels - 1, 1)
    eye = np.eye(n_labels)
    result: Floats = accuracy[:, None, None] * eye + other[:, None, None] * (1 - eye)
    return result
