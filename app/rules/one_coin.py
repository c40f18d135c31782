"""One-coin model: each annotator is right with one probability, whatever the truth.

P(label = truth) = s_r, and every other label has (1 - s_r) / (q - 1). It is Dawid-Skene with one
parameter for each annotator, the right model for one to five labels per item. s_r < 1/q is worse
than chance. Left out: labels that are easier to get right than others (`dawid_skene`).
"""

import numpy as np
from numpy.typing import ArrayLike

from app.rules import latent_truth
from app.rules.bootstrap import Floats
from app.rules.latent_truth import LatentTruth, Model

RIGHT, WRONG = 4.0, 1.0
"""Pseudo-counts: the prior Beta(4, 1) of an annotator's accuracy."""


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

    smoothing None is the prior Beta(4, 1) on s_r, as pseudo-counts (the mode on the logit scale),
    and one pseudo-item of each label; 0 is maximum likelihood; other numbers multiply these.
    `exchangeable` names two labels, A and B of a canonical order, that are equally likely.
    `equal_priors` takes all labels as equally likely instead of estimating their shares.
    """
    times = 1.0 if smoothing is None else smoothing
    eye = np.eye(n_labels)
    others = max(n_labels - 1, 1)

    def m_step(counts: Floats) -> Floats:
        n, right = counts.sum(axis=(1, 2)), np.einsum("rjj->r", counts)
        accuracy = np.divide(right, n, out=np.full(len(n), 1 / n_labels), where=n > 0)
        wrong = (1 - accuracy) / others
        confusion: Floats = accuracy[:, None, None] * eye + wrong[:, None, None] * (1 - eye)
        return confusion

    model = Model(
        pseudo_counts=times * (RIGHT * eye + WRONG / others * (1 - eye)) / n_labels,
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
