"""Dawid-Skene: each annotator has a confusion matrix (Dawid & Skene 1979, Applied Statistics 28).

The detail view: it tells which labels somebody confuses, and needs many labels from each annotator.
Without smoothing it is badly overconfident where items have few labels.
"""

import numpy as np
from numpy.typing import ArrayLike

from app.rules import latent_truth
from app.rules.bootstrap import Floats
from app.rules.latent_truth import LatentTruth, Model

RIGHT, WRONG = 4.0, 1.0
"""Pseudo-counts of each cell on and off the diagonal."""


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
    equal_priors: bool = False,
) -> LatentTruth:
    """The model of (M,) judgments; items, annotators and labels are numbered from 0.

    smoothing None adds 4 to the diagonal of each annotator's counts, 1 elsewhere, and one
    pseudo-item of each label; 0 is maximum likelihood; other numbers multiply these.
    `exchangeable` names two labels (A and B of a canonical order) whose swap changes nothing:
    confusion[r, A, B] = confusion[r, B, A], and so on. `equal_priors` takes the labels as equally
    likely, as MACE does, so that its figures can be compared.
    """
    times = 1.0 if smoothing is None else smoothing
    eye = np.eye(n_labels)

    def m_step(counts: Floats) -> Floats:
        n = counts.sum(axis=2, keepdims=True)
        confusion: Floats = np.divide(
            counts, n, out=np.full(counts.shape, 1 / n_labels), where=n > 0
        )
        return confusion

    model = Model(
        pseudo_counts=times * (RIGHT * eye + WRONG * (1 - eye)),
        m_step=m_step,
        pseudo_items=times,
        right=times * RIGHT,
        wrong=times * WRONG,
        equal_priors=equal_priors,
    )
    matrix = latent_truth.vote_matrix(
        items, annotators, labels, shape=(n_items, n_annotators, n_labels)
    )
    return latent_truth.fit(matrix, model, exchangeable=exchangeable)
