"""Labels that are noisy reports of one true label per item: what one-coin and Dawid-Skene share.

Each item has one true label, drawn from `priors`; annotator r reports label l where the truth is j
with probability confusion[r, j, l], independently of the others. The models differ in how they
estimate the confusion from expected counts; expectation maximisation is the same
(Dawid & Skene 1979, Applied Statistics 28, eq. 2.3 to 2.5), started from the shares of votes.

N items, R annotators, q labels. `matrix` is (N, R q) and sparse: how often annotator r gave label l
to item i, in column r q + l. Left out: difficulty of items, annotators who change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, sparse
from scipy.stats import beta

from app.rules.bootstrap import Floats, Integers

TOLERANCE = 1e-7
"""Iteration ends when no posterior changes by more."""
MAX_ITERATIONS = 5000
FULL_INFORMATION_UP_TO = 1000
"""Annotators. Among more, each one's interval takes the accuracy of the others as known, which
narrows it little: 1 % on 3,691 real workers."""
_TINY = 1e-300
"""Stands for a probability of 0, whose logarithm would turn sums into NaN."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentTruth:
    """A fitted model."""

    posterior: Floats
    """(N, q): P(truth = j | labels); `priors` for an item without labels."""
    priors: Floats
    """(q,)."""
    confusion: Floats
    """(R, q, q): [r, j, l] = P(r says l | truth j)."""
    accuracy: Floats
    """(R,): P(r says the truth) for an item drawn from `priors`."""
    low: Floats
    """(R,): lower end of the 95 % interval of `accuracy`."""
    high: Floats
    iterations: int
    converged: bool


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Pseudo-counts of an annotator's right and wrong labels; of each item's label one in all."""

    right: float
    wrong: float

    def scaled(self, smoothing: float | None) -> "Prior":
        """None is the prior as it is, 0 none (maximum likelihood), other numbers multiply it."""
        times = 1.0 if smoothing is None else smoothing
        return Prior(right=self.right * times, wrong=self.wrong * times)


MStep = Callable[[Floats], Floats]
"""From expected counts (R, q, q), [r, j, l], to the confusion of the same shape."""


def vote_matrix(
    items: ArrayLike, annotators: ArrayLike, labels: ArrayLike, *, shape: tuple[int, int, int]
) -> sparse.csr_array:
    """(N, R q) counts of (M,) judgments; shape is (N, R, q). Repeated labels add up.

    Raises ValueError for a label, item or annotator outside the shape.
    """
    n, r, q = shape
    given = np.asarray(labels, dtype=np.int64)
    if given.size and not 0 <= given.min() <= given.max() < q:
        raise ValueError(f"labels are from {given.min()} to {given.max()}; expected 0 to {q - 1}")
    columns = np.asarray(annotators, dtype=np.int64) * q + given
    ones = np.ones(len(given))
    return sparse.csr_array((ones, (np.asarray(items, dtype=np.int64), columns)), shape=(n, r * q))


def fit(
    matrix: sparse.csr_array,
    m_step: MStep,
    *,
    n_labels: int,
    prior: Prior,
    smoothing: float | None,
    exchangeable: tuple[int, int] | None,
) -> LatentTruth:
    """Expectation maximisation from vote shares until no posterior moves by more than TOLERANCE.

    `exchangeable` names two labels, such as A and B in canonical order, that have equal priors; the
    M-step sees counts that are averaged over swapping them.
    """
    q = n_labels
    labelled = np.asarray(matrix.sum(axis=1)).ravel() > 0
    pseudo_items = 1.0 if smoothing is None else smoothing
    swap = np.arange(q)
    if exchangeable is not None:
        swap[list(exchangeable)] = exchangeable[::-1]
    transposed = matrix.T.tocsr()
    posterior = _vote_shares(matrix, q)
    for iteration in range(1, MAX_ITERATIONS + 1):
        priors = _shares(posterior[labelled].sum(axis=0) + pseudo_items, axis=0)
        priors = (priors + priors[swap]) / 2
        counts = (transposed @ posterior).reshape(-1, q, q).transpose(0, 2, 1)
        counts = (counts + counts[:, swap][:, :, swap]) / 2
        confusion = m_step(counts)
        before, posterior = posterior, _e_step(matrix, priors, confusion)
        moved = float(np.abs(posterior - before)[labelled].max(initial=0.0))
        if moved <= TOLERANCE:
            break
    low, high = _intervals(matrix, posterior, prior.scaled(smoothing))
    return LatentTruth(
        posterior=posterior,
        priors=priors,
        confusion=confusion,
        accuracy=np.einsum("j,rjj->r", priors, confusion),
        low=low,
        high=high,
        iterations=iteration,
        converged=moved <= TOLERANCE,
    )


def _vote_shares(matrix: sparse.csr_array, q: int) -> Floats:
    r = matrix.shape[1] // q
    votes: Floats = matrix @ np.tile(np.eye(q), (r, 1))
    return _shares(votes, axis=1)


def _e_step(matrix: sparse.csr_array, priors: Floats, confusion: Floats) -> Floats:
    """(N, q): T_ij proportional to prior_j times the product of confusion_rjl^n_irl."""
    q = len(priors)
    log_confusion = np.log(np.maximum(confusion, _TINY)).transpose(0, 2, 1).reshape(-1, q)
    logits: Floats = matrix @ log_confusion + np.log(np.maximum(priors, _TINY))
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _shares(counts: Floats, *, axis: int) -> Floats:
    """Counts over their sum along the axis; equal shares where there are none."""
    totals = counts.sum(axis=axis, keepdims=True)
    equal = np.full(counts.shape, 1 / counts.shape[axis])
    return np.divide(counts, totals, out=equal, where=totals > 0)


def _intervals(matrix: sparse.csr_array, posterior: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """(R,) each: Beta quantiles of the accuracy, with the labels' worth reduced by what is unknown.

    If the truth were known, the posterior would be Beta(prior + right, prior + wrong). It is not, so
    the n labels of an annotator count as f n: f is the share of information that remains
    (Louis 1982, JRSS B 44, 226): observed = complete - missing, and the others' uncertainty taken off
    by inverting the whole matrix. Who shares no item with anybody has f = 0 and keeps the prior.
    Jeffreys' prior, Beta(1/2, 1/2), stands in where there is none.
    """
    a, b = (prior.right, prior.wrong) if prior.right > 0 else (0.5, 0.5)
    q = posterior.shape[1]
    columns = matrix.tocsc()
    of_label = [columns[:, label::q] for label in range(q)]
    n = np.asarray(matrix.sum(axis=0)).reshape(-1, q).sum(axis=1)
    right = sum(x.T @ posterior[:, j] for j, x in enumerate(of_label))
    s = (right + a) / (n + a + b)
    unit = s * (1 - s)
    complete, own = n * unit, (a + b) * unit
    missing = _missing_information(of_label, posterior)
    if len(n) <= FULL_INFORMATION_UP_TO:
        scale = np.sqrt(complete + own)
        observed = np.eye(len(n)) - missing.toarray() / np.outer(scale, scale)
        known = (complete + own) / np.diag(linalg.pinvh(observed))
    else:
        known = complete + own - missing.diagonal()
    share = np.divide(known - own, complete, out=np.zeros_like(n), where=complete > 0)
    # Not quite at the maximum the difference may fall outside by rounding.
    share = np.clip(share, 0.0, 1.0)
    low, high = (
        beta.ppf(level, a + share * right, b + share * (n - right)) for level in (0.025, 0.975)
    )
    return low, high


def _missing_information(of_label: list[sparse.csc_array], posterior: Floats) -> sparse.csr_array:
    """(R, R): covariance of the annotators' right counts given the labels, summed over items."""
    weighted = [x.multiply(posterior[:, [j]]).tocsr() for j, x in enumerate(of_label)]
    mean = sum(weighted[1:], start=weighted[0])
    square = sum((x.T @ w for x, w in zip(of_label, weighted, strict=True)), start=-(mean.T @ mean))
    return square
