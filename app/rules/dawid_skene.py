"""Dawid-Skene: each annotator has a confusion matrix (Dawid & Skene 1979, Applied Statistics 28).

The detail view: it tells which labels somebody confuses, and needs many labels from each annotator.
Unsmoothed it is badly overconfident on few labels per item.
"""

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

    smoothing None adds 4 pseudo-counts to the diagonal of every annotator's matrix, 1 elsewhere, and
    one pseudo-item for each label; 0 is maximum likelihood; other numbers multiply them.
    `exchangeable` names two labels (A and B of a canonical order) whose swap must change nothing:
    confusion[r, A, B] = confusion[r, B, A], and so on.
    """
    matrix = latent_truth.vote_matrix(
        items, annotators, labels, shape=(n_items, n_annotators, n_labels)
    )
    prior = PRIOR.scaled(smoothing)
    eye = np.eye(n_labels)
    pseudo = prior.right * eye + prior.wrong * (1 - eye)

    def m_step(counts: Floats) -> Floats:
        totals = counts + pseudo
        n = totals.sum(axis=2, keepdims=True)
        equal = np.full(totals.shape, 1 / n_labels)
        return np.divide(totals, n, out=equal, where=n > 0)

    return latent_truth.fit(
        matrix,
        m_step,
        n_labels=n_labels,
        prior=PRIOR,
        smoothing=smoothing,
        exchangeable=exchangeable,
    )
