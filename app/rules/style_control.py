"""Strengths of sources at equal length: Bradley-Terry with length and side in the logit.

logit P(first preferred) = theta_first - theta_second + length x + side s

x is the natural logarithm of the first completion's length over the second's; s is 1 where the
first stood on the left, -1 where on the right, 0 where nobody knows. Among completions of equal
length on no side only the strengths are left. A tie is half a judgment for each, which is a working
likelihood; errors come from the sandwich clustered by prompt, times G / (G - 1), with Student's t
of G - 1 degrees of freedom. Left out: layout of text, ridge, ranks with intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.special import expit, stdtrit

from app.rules.bootstrap import FEWEST_UNITS, Floats, Integers, Statistic
from app.rules.bradley_terry import components

_MAX_STEPS = 100
_TOLERANCE = 1e-9
_FARTHEST = 30.0
"""A logit that is met only on the way to infinity: odds of 1 to 10^13."""
_LEAST_SPREAD = 0.05
"""Standard deviation of ln(length ratio) within pairs of sources. Where lengths differ by less than
one part in twenty, strengths at equal length are a guess far outside of what was seen."""
_NOTHING_LEFT = 1e-9
"""Of the square of sides, once what sources and length explain is taken off."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownContests:
    """(M,) judgments between two different sources."""

    first: Integers
    """Number of a source, from 0."""
    second: Integers
    prompts: Integers
    won: Floats
    """1 for the first, 0 for the second, 0.5 for a tie."""
    log_ratio: Floats
    """ln(length of the first / length of the second)."""
    side: Floats
    """1 where the first stood on the left, -1 on the right, 0 where that is not known."""
    n_sources: int

    def __post_init__(self) -> None:
        if (self.first == self.second).any():
            raise ValueError("a source has no contest with itself; leave such rows out")

    @property
    def met(self) -> Integers:
        """(m,): judgments of each source."""
        both = np.concatenate([self.first, self.second])
        return np.bincount(both, minlength=self.n_sources).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class StyleControl:
    """All undefined for one reason, except `side`, which alone is left out where no side is
    known (`no_shown_sides`)."""

    strengths: tuple[Statistic, ...]
    """By number of the source: natural logarithms with mean zero; n counts its judgments."""
    length: Statistic
    """Log odds for each unit of ln(length ratio): 0.69 of it for twice the length."""
    side: Statistic
    """Log odds of left between equals; n counts judgments whose sides are known."""


def fit(contests: ShownContests) -> StyleControl:
    """Maximum likelihood by Newton's method.

    Undefined without judgments (`no_contests`), where sources never met (`not_connected`), where
    all completions are about equally long (`one_value`), where the source tells the length
    (`length_is_source`) or the side (`side_is_source`), and where something decides every verdict,
    so that the maximum lies at infinity (`no_maximum`).
    """
    has_sides = bool(contests.side.any())
    design = _design(contests, has_sides=has_sides)
    reason = _unidentified(contests, design)
    beta = None if reason else _maximum(design, contests.won, contests.n_sources)
    if beta is None:
        return _undefined(contests, reason or "no_maximum")
    errors, groups = _errors(contests, design, beta)
    few = groups < FEWEST_UNITS
    half = np.full(len(beta), np.nan) if few else stdtrit(groups - 1, 0.975) * errors
    met, m = contests.met.tolist(), contests.n_sources
    n = [*met, len(contests.won), int(np.count_nonzero(contests.side))]
    found = [
        Statistic(value=value, n=count, reason="too_few_for_interval")
        if few
        else Statistic(value=value, low=value - one, high=value + one, n=count)
        for value, one, count in zip(beta.tolist(), half.tolist(), n, strict=False)
    ]
    no_sides = Statistic(value=None, n=0, reason="no_shown_sides")
    return StyleControl(
        strengths=tuple(found[:m]), length=found[m], side=found[m + 1] if has_sides else no_sides
    )


def _undefined(contests: ShownContests, reason: str) -> StyleControl:
    nothing = Statistic(value=None, n=len(contests.won), reason=reason)
    return StyleControl(
        strengths=tuple(replace(nothing, n=n) for n in contests.met.tolist()),
        length=nothing,
        side=replace(nothing, n=int(np.count_nonzero(contests.side))),
    )


def _design(contests: ShownContests, *, has_sides: bool) -> sparse.csr_array:
    """(M, m + 1 or 2): 1 and -1 for the sources, then length, then side where any is known."""
    size, m = len(contests.won), contests.n_sources
    one = np.ones(size)
    columns = [(contests.first, one), (contests.second, -one)]
    columns.append((np.full(size, m), contests.log_ratio))
    if has_sides:
        columns.append((np.full(size, m + 1), contests.side))
    places = np.column_stack([place for place, _ in columns]).astype(np.int32).ravel()
    values = np.column_stack([value for _, value in columns]).ravel()
    starts = np.arange(size + 1, dtype=np.int32) * len(columns)
    return sparse.csr_array((values, places, starts), shape=(size, m + len(columns) - 2))


def _unidentified(contests: ShownContests, design: sparse.csr_array) -> str | None:
    if not len(contests.won):
        return "no_contests"
    m = contests.n_sources
    products = _information(design, np.ones(len(contests.won)))
    if len(components(-np.minimum(products[:m, :m], 0))) > 1:
        return "not_connected"
    least = _LEAST_SPREAD**2 * len(contests.won)
    if products[m, m] <= least:
        return "one_value"
    if _left(products, m) <= least:
        return "length_is_source"
    has_sides = len(products) > m + 1
    if has_sides and _left(products, m + 1) <= _NOTHING_LEFT * products[m + 1, m + 1]:
        return "side_is_source"
    return None


def _left(products: Floats, column: int) -> float:
    """Of a column's sum of squares, what those before it do not explain."""
    along = products[:column, column]
    before = np.linalg.pinv(products[:column, :column], rcond=1e-12, hermitian=True)
    return float(products[column, column] - along @ before @ along)


def _maximum(design: sparse.csr_array, won: Floats, m: int) -> Floats | None:
    """Strengths, which have the mean zero, and covariates; None where it lies at infinity."""
    beta = np.zeros(design.shape[1])
    logit = design @ beta
    for _ in range(_MAX_STEPS):
        p = expit(logit)
        gradient = design.T @ (won - p)
        step = np.linalg.solve(_held(_information(design, p * (1 - p)), m), gradient)
        along = design @ step
        # A full step can overshoot; some part of it never does, as the likelihood is concave.
        scale = min(1.0, 4.0 / max(float(np.abs(along).max()), 1e-300))
        loss = _loss(logit, won)
        while _loss(logit + scale * along, won) > loss + 1e-9 * abs(loss):
            scale /= 2
        beta, logit = beta + scale * step, logit + scale * along
        if np.abs(logit).max() > _FARTHEST:
            return None
        if np.abs(step).max() <= _TOLERANCE:
            return np.asarray(beta, dtype=np.float64)
    return None


def _loss(logit: Floats, won: Floats) -> float:
    return float((np.logaddexp(0, logit) - won * logit).sum())


def _information(design: sparse.csr_array, weights: Floats) -> Floats:
    # The places are shared: of millions of judgments a copy of them is large.
    data = design.data * np.repeat(weights, np.diff(design.indptr))
    weighted = sparse.csr_array((data, design.indices, design.indptr), shape=design.shape)
    return np.asarray((design.T @ weighted).toarray(), dtype=np.float64)


def _held(information: Floats, m: int) -> Floats:
    """The likelihood is flat along (1, ..., 1) of the strengths; any curvature there keeps their
    mean at zero."""
    held = information.copy()
    held[:m, :m] += np.trace(information[:m, :m]) / m**2
    return held


def _errors(contests: ShownContests, design: sparse.csr_array, beta: Floats) -> tuple[Floats, int]:
    """Standard errors of all, and the number of prompts; NaN with a single prompt."""
    p = expit(design @ beta)
    bread = np.linalg.inv(_held(_information(design, p * (1 - p)), contests.n_sources))
    names, prompt = np.unique(contests.prompts, return_inverse=True)
    groups, size = len(names), len(p)
    of_prompts = sparse.csr_array(
        (contests.won - p, (prompt, np.arange(size))), shape=(groups, size)
    )
    scores = of_prompts @ design
    correction = groups / (groups - 1) if groups > 1 else np.nan
    covariance = correction * bread @ (scores.T @ scores).toarray() @ bread
    return np.sqrt(np.maximum(np.diag(covariance), 0.0)), groups
