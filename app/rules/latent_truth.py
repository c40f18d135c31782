"""Labels that are noisy reports of one true label per item: what one-coin and Dawid-Skene share.

Each item has one true label, drawn from `priors`; annotator r reports label l where the truth is j
with probability confusion[r, j, l], independently of the others. The models differ in how they
estimate the confusion from expected counts; expectation maximisation is the same
(Dawid & Skene 1979, Applied Statistics 28, eq. 2.3 to 2.5), started from the shares of votes.

N items, R annotators, q labels. `matrix` is (N, R q) and sparse: how often annotator r gave label l
to item i, in column r q + l. Left out: difficulty of items, annotators who change. Where an item is
hard for everybody, the truth that is found is the answer most would give, and accuracy how often
somebody gives that one; its intervals hold it as often as they say.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, sparse
from scipy.special import betaincinv

from app.rules.bootstrap import Floats

TOLERANCE = 1e-7
"""Iteration ends when no posterior changes by more in one step."""
MAX_CYCLES = 2500
"""Of two steps each."""
PLAIN_CYCLES = 5
"""Cycles before acceleration, so that it goes where plain iteration would."""
FULL_INFORMATION_UP_TO = 1000
"""Annotators. Among more, each one's interval takes the accuracy of the others as known, which
narrows it a little: by 2 % on the 3,691 workers of UKPConvArg1."""
_TINY = 1e-300
"""Stands for a probability of 0, whose logarithm would turn sums into NaN."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates:
    """Some parameters with the ends of their 95 % intervals, (n,) each."""

    value: Floats
    low: Floats
    high: Floats


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
    chance: Floats
    """(R,): how often somebody who gives the same labels as often, whatever the truth, is right."""
    converged: bool

    @property
    def skill(self) -> Estimates:
        """(R,): accuracy corrected for chance, (accuracy - chance) / (1 - chance): Cohen's kappa of
        an annotator with the truth.

        1 is always right, 0 says nothing about the truth (whatever labels a guesser favours), and a
        negative one says the opposite; NaN where one label is all there is. The interval is that of
        the accuracy: how often somebody gives each label is known.
        """
        above = 1 - self.chance
        value, low, high = (
            np.divide(end - self.chance, above, out=np.full(len(end), np.nan), where=above > 0)
            for end in (self.accuracy, self.low, self.high)
        )
        return Estimates(value=value, low=low, high=high)


Parameters = tuple[Floats, Floats]
"""Priors (q,) and confusion (R, q, q)."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What distinguishes one model of confusion from another."""

    pseudo_counts: Floats
    """(q, q): added to every annotator's expected counts."""
    m_step: Callable[[Floats], Floats]
    """From expected counts (R, q, q), [r, j, l], pseudo-counts included, to the confusion."""
    pseudo_items: float
    """Added to the expected number of items of each true label."""
    right: float
    wrong: float
    """In all, the pseudo-counts of right and of wrong labels of an annotator; 0 is no prior."""
    equal_priors: bool = False
    """Whether the labels are taken as equally likely instead of estimating their shares."""


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
    matrix: sparse.csr_array, model: Model, *, exchangeable: tuple[int, int] | None
) -> LatentTruth:
    """Expectation maximisation from vote shares until no posterior moves by more than TOLERANCE.

    `exchangeable` names two labels, such as A and B in canonical order, whose swap changes nothing:
    they have equal priors, and equal confusion with each other and with every other label.

    With pseudo-counts, steps are accelerated (SQUAREM: Varadhan & Roland 2008, Scandinavian Journal
    of Statistics 35). Without, the maximum may be a ridge or one of many, and plain iteration
    decides which point of it is meant.
    """
    q = len(model.pseudo_counts)
    labelled = np.asarray(matrix.sum(axis=1)).ravel() > 0
    swap = np.arange(q)
    if exchangeable is not None:
        swap[list(exchangeable)] = exchangeable[::-1]
    transposed = matrix.T.tocsr()

    def m_step(posterior: Floats) -> Parameters:
        totals = posterior[labelled].sum(axis=0) + model.pseudo_items
        priors = _shares(np.zeros(q) if model.equal_priors else totals, axis=0)
        counts: Floats = (transposed @ posterior).reshape(-1, q, q).transpose(0, 2, 1)
        counts = (counts + counts[:, swap][:, :, swap]) / 2
        return (priors + priors[swap]) / 2, model.m_step(counts + model.pseudo_counts)

    def step(parameters: Parameters) -> tuple[Parameters, Floats, float]:
        """The parameters after, the posterior, and the objective before."""
        posterior, log_likelihood = _e_step(matrix, parameters)
        priors, confusion = (_log(part) for part in parameters)
        prior = model.pseudo_items * priors.sum() + (model.pseudo_counts * confusion).sum()
        return m_step(posterior), posterior, float(log_likelihood + prior)

    parameters = m_step(_vote_shares(matrix, q))
    for cycle in range(MAX_CYCLES):
        once, before, _ = step(parameters)
        twice, posterior, value = step(once)
        moved = float(np.abs(posterior - before)[labelled].max(initial=0.0))
        if moved <= TOLERANCE:
            break
        start, parameters = parameters, twice
        if model.right > 0 and cycle >= PLAIN_CYCLES:
            further, _, reached = step(_extrapolated(start, once, twice))
            if reached >= value:
                parameters = further
    priors, confusion = once
    accuracy: Floats = np.einsum("j,rjj->r", priors, confusion)
    low, high = _intervals(matrix, posterior, model)
    return LatentTruth(
        posterior=posterior,
        priors=priors,
        confusion=confusion,
        accuracy=accuracy,
        # Maximum likelihood may lie at 0 or 1, outside of what Jeffreys' prior allows.
        low=np.minimum(low, accuracy),
        high=np.maximum(high, accuracy),
        chance=_label_shares(matrix, q) @ priors,
        converged=moved <= TOLERANCE,
    )


def _extrapolated(start: Parameters, once: Parameters, twice: Parameters) -> Parameters:
    """Where the steps from `start` lead to, on the scale of logarithms (SQUAREM, scheme S3)."""
    x0, x1, x2 = (
        np.concatenate([_log(part).ravel() for part in parameters])
        for parameters in (start, once, twice)
    )
    first, bend = x1 - x0, x2 - 2 * x1 + x0
    bent = float(np.linalg.norm(bend))
    if bent == 0:
        return twice
    length = -max(1.0, float(np.linalg.norm(first)) / bent)
    reached = np.exp(np.minimum(x0 - 2 * length * first + length**2 * bend, 0.0))
    q = len(start[0])
    return (
        _shares(reached[:q], axis=0),
        _shares(reached[q:].reshape(start[1].shape), axis=2),
    )


def _vote_shares(matrix: sparse.csr_array, q: int) -> Floats:
    r = matrix.shape[1] // q
    votes: Floats = matrix @ np.tile(np.eye(q), (r, 1))
    return _shares(votes, axis=1)


def _label_shares(matrix: sparse.csr_array, q: int) -> Floats:
    """(R, q): how often each annotator gave each label."""
    return _shares(np.asarray(matrix.sum(axis=0), dtype=np.float64).reshape(-1, q), axis=1)


def _e_step(matrix: sparse.csr_array, parameters: Parameters) -> tuple[Floats, float]:
    """Posterior (N, q), T_ij proportional to prior_j times the product of confusion_rjl^n_irl, and
    the log-likelihood."""
    priors, confusion = parameters
    q = len(priors)
    logits: Floats = matrix @ _log(confusion).transpose(0, 2, 1).reshape(-1, q) + _log(priors)
    highest = logits.max(axis=1, keepdims=True)
    logits -= highest
    np.exp(logits, out=logits)
    totals = logits.sum(axis=1, keepdims=True)
    logits /= totals
    return logits, float(highest.sum() + np.log(totals).sum())


def _log(probabilities: Floats) -> Floats:
    logarithms: Floats = np.log(np.maximum(probabilities, _TINY))
    return logarithms


def _shares(counts: Floats, *, axis: int) -> Floats:
    """Counts over their sum along the axis; equal shares where there are none."""
    totals = counts.sum(axis=axis, keepdims=True)
    shares: Floats = np.full(counts.shape, 1 / counts.shape[axis])
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def _intervals(matrix: sparse.csr_array, posterior: Floats, model: Model) -> tuple[Floats, Floats]:
    """(R,) each: Beta quantiles of the accuracy, with labels worth less where truth is unsure.

    If the truth were known, the posterior would be Beta(right, wrong), pseudo-counts included. It
    is not, so the n labels of an annotator count as f n: f is the share of information that remains
    (Louis 1982, JRSS B 44, 226), observed = complete - missing, with the others' uncertainty taken
    off by inverting the whole matrix. Who shares no item with anybody has f = 0 and keeps the
    prior. Jeffreys' prior, Beta(1/2, 1/2), stands in where there is none.
    Simulated crowds find it right in 94 to 97 % (smoothed), and a bootstrap of items takes a
    hundred times as long.
    """
    a, b = (model.right, model.wrong) if model.right > 0 else (0.5, 0.5)
    q = posterior.shape[1]
    columns = matrix.tocsc()
    of_label = [columns[:, label::q] for label in range(q)]
    n = np.asarray(matrix.sum(axis=0)).reshape(-1, q).sum(axis=1)
    right = sum((x.T @ posterior[:, j] for j, x in enumerate(of_label)), start=np.zeros(len(n)))
    accuracy = (right + a) / (n + a + b)
    unit = accuracy * (1 - accuracy)
    complete, own = n * unit, (a + b) * unit
    missing = _missing_information(of_label, posterior)
    if len(n) <= FULL_INFORMATION_UP_TO:
        scale = np.sqrt(complete + own)
        observed = np.eye(len(n)) - missing.toarray() / np.outer(scale, scale)
        known = (complete + own) / np.diag(linalg.pinvh(observed))
    else:
        known = complete + own - missing.diagonal()
    share = np.divide(known - own, complete, out=np.zeros(len(n)), where=complete > 0)
    # Iteration stops a little before the maximum, so rounding may lead out of the range.
    share = np.clip(share, 0.0, 1.0)
    low, high = (
        betaincinv(a + share * right, b + share * (n - right), level) for level in (0.025, 0.975)
    )
    return low, high


def _missing_information(of_label: list[sparse.csc_array], posterior: Floats) -> sparse.csr_array:
    """(R, R): covariance of the annotators' right counts given the labels, summed over items."""
    weighted = [x.multiply(posterior[:, [j]]).tocsr() for j, x in enumerate(of_label)]
    mean = sum(weighted[1:], start=weighted[0])
    squares = (x.T @ w for x, w in zip(of_label, weighted, strict=True))
    return sparse.csr_array(sum(squares, start=-(mean.T @ mean)))
