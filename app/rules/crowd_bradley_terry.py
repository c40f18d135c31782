"""Strengths of sources from a crowd whose members differ in skill and lean to a side.

logit P(annotator r prefers the left one) = skill_r (theta_left - theta_right) + side_r.

A skill of 0 tells nothing (a spammer, whatever side is clicked), a negative one inverts. It is
Bradley-Terry with a scale for each annotator, after Chen et al. 2013 (Crowd-BT, WSDM); unlike their
mixture of right and wrong answers, errors become rarer as the difference grows. A tie is half a
judgment for each side.

The likelihood knows theta times skill only, so the scale and the sign are fixed by convention: the
mean skill of all judgments is 1. Strengths are then as the average judgment sees them. Priors keep
what little data says within bounds: skills N(1, 0.5^2), sides N(0, 1), strengths N(0, 2^2). Left
out: difficulty of single comparisons. Where strengths differ from prompt to prompt, those found are
the log odds on a random prompt, which are closer to each other; intervals of skills and sides take
judgments as independent, and then hold the truth in about 90 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from app.rules.bootstrap import SEED, Floats, Integers
from app.rules.latent_truth import Estimates
from app.rules.proportions import Z95

SKILL_MEAN, SKILL_SD = 1.0, 0.5
SIDE_SD = 1.0
STRENGTH_SD = 2.0
STARTS = 5
"""The posterior may have several modes; the best one that they reach is taken."""
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class CrowdBradleyTerry:
    strengths: Estimates
    """(m,): natural logarithms with mean zero."""
    skills: Estimates
    """(R,)."""
    sides: Estimates
    """(R,): log odds of left between equals; 0 is fair."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judgments:
    """(M,) each: `n` judgments, of which `wins` prefer left."""

    annotators: Integers
    left: Integers
    right: Integers
    n: Floats
    wins: Floats
    n_sources: int
    n_annotators: int

    @property
    def weights(self) -> Floats:
        """(R,): each annotator's share of the judgments."""
        counts = np.bincount(self.annotators, self.n, self.n_annotators)
        return np.asarray(counts / counts.sum(), dtype=np.float64)

    def some(self, rows: Integers) -> _Judgments:
        return replace(
            self,
            annotators=self.annotators[rows],
            left=self.left[rows],
            right=self.right[rows],
            n=self.n[rows],
            wins=self.wins[rows],
        )

    def added_up(self) -> _Judgments:
        """One row for each annotator, left and right."""
        m = self.n_sources
        keys, row = np.unique(
            (self.annotators * m + self.left) * m + self.right, return_inverse=True
        )
        return _Judgments(
            annotators=keys // (m * m),
            left=keys // m % m,
            right=keys % m,
            n=np.bincount(row, self.n, len(keys)).astype(np.float64),
            wins=np.bincount(row, self.wins, len(keys)).astype(np.float64),
            n_sources=self.n_sources,
            n_annotators=self.n_annotators,
        )

    def split(self, parameters: Floats) -> tuple[Floats, Floats, Floats]:
        """Strengths (m,), skills (R,), sides (R,)."""
        m, r = self.n_sources, self.n_annotators
        return parameters[:m], parameters[m : m + r], parameters[m + r :]

    def terms(self, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """(M,) each: gap of strengths, skill, logit, and wins above what is expected."""
        theta, skills, sides = self.split(parameters)
        gap = theta[self.left] - theta[self.right]
        skill = skills[self.annotators]
        logit = skill * gap + sides[self.annotators]
        return gap, skill, logit, self.wins - self.n * expit(logit)


def fit(
    annotators: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    preferred_left: ArrayLike,
    *,
    n_sources: int,
    n_annotators: int,
    prompts: ArrayLike | None = None,
) -> CrowdBradleyTerry:
    """The posterior mode from (M,) judgments: numbers from 0, and 1, 0 or 0.5 (a tie) for left.

    Intervals are normal, from the observed information (Laplace). With `prompts` (M,), those of the
    strengths also hold what judgments of one prompt have in common (sandwich); they are never
    narrower for it. Raises ValueError where a source meets itself, and without judgments.
    """
    wins = np.asarray(preferred_left, dtype=np.float64)
    single = _Judgments(
        annotators=np.asarray(annotators, dtype=np.int64),
        left=np.asarray(left, dtype=np.int64),
        right=np.asarray(right, dtype=np.int64),
        n=np.ones_like(wins),
        wins=wins,
        n_sources=n_sources,
        n_annotators=n_annotators,
    )
    if (single.left == single.right).any():
        raise ValueError("a source has no contest with itself; leave such rows out")
    if not len(wins):
        raise ValueError("there are no judgments to fit")
    rows = single.added_up()
    found = [_minimum(rows, start) for start in _starts(rows)]
    _, mode = min(found, key=lambda one: one[0])
    information = _Information.at(mode, rows)
    covariance = information.of_strengths()
    variances = np.diag(covariance)
    if prompts is not None:
        common = _common_part(information, mode, single, np.asarray(prompts))
        added = np.diag(covariance @ common @ covariance)
        variances = np.maximum(variances, variances + added)
    theta, skills, sides = rows.split(mode)
    of_skills, of_sides = information.of_annotators()
    return CrowdBradleyTerry(
        strengths=_around(theta - theta.mean(), variances),
        skills=_around(skills, of_skills),
        sides=_around(sides, of_sides),
    )


def _minimum(rows: _Judgments, start: Floats) -> tuple[float, Floats]:
    """The loss and the parameters where L-BFGS ends, which looks at skills before scaling."""
    m, r = rows.n_sources, rows.n_annotators
    weights = rows.weights

    def scaled(free: Floats) -> tuple[Floats, float]:
        parameters = free.copy()
        mean = float(weights @ free[m : m + r])
        parameters[m : m + r] /= mean
        return parameters, mean

    def loss(free: Floats) -> tuple[float, Floats]:
        parameters, mean = scaled(free)
        value, gradient = _loss(parameters, rows)
        of_skills, skills = gradient[m : m + r], parameters[m : m + r]
        gradient[m : m + r] = (of_skills - weights * float(of_skills @ skills)) / mean
        return value, gradient

    # Late: a server starts 0.2 s sooner.
    from scipy.optimize import minimize

    found = minimize(
        loss, start, jac=True, method="L-BFGS-B",
        options={"maxiter": 2000, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-5},
    )  # fmt: skip
    return float(found.fun), scaled(np.asarray(found.x, dtype=np.float64))[0]


def _loss(parameters: Floats, rows: _Judgments) -> tuple[float, Floats]:
    """Negative log posterior and its gradient."""
    theta, skills, sides = rows.split(parameters)
    gap, skill, logit, surplus = rows.terms(parameters)
    loss = float(rows.n @ np.logaddexp(0, logit) - rows.wins @ logit)
    loss += float(theta @ theta) / (2 * STRENGTH_SD**2) + float(sides @ sides) / (2 * SIDE_SD**2)
    loss += float(((skills - SKILL_MEAN) ** 2).sum()) / (2 * SKILL_SD**2)
    m, r = rows.n_sources, rows.n_annotators
    pull = surplus * skill
    gradient = np.concatenate(
        [
            theta / STRENGTH_SD**2
            + np.bincount(rows.right, pull, m)
            - np.bincount(rows.left, pull, m),
            (skills - SKILL_MEAN) / SKILL_SD**2 - np.bincount(rows.annotators, surplus * gap, r),
            sides / SIDE_SD**2 - np.bincount(rows.annotators, surplus, r),
        ]
    )
    return loss, gradient


def _starts(rows: _Judgments) -> list[Floats]:
    """All alike at first; then random strengths and skills, since the posterior is not convex."""
    rng = np.random.default_rng(SEED)
    m, r = rows.n_sources, rows.n_annotators
    typical = np.concatenate([np.zeros(m), np.full(r, SKILL_MEAN), np.zeros(r)])
    return [typical] + [
        np.concatenate([rng.normal(size=m), rng.normal(SKILL_MEAN, SKILL_SD, r), np.zeros(r)])
        for _ in range(STARTS - 1)
    ]


@dataclass(kw_only=True, eq=False)
class _Information:
    """Observed information of the posterior. Annotators touch each other through strengths, and
    through the mean skill, which is fixed: covariances are those given its value."""

    strengths: Floats
    """(m, m)."""
    annotators: Floats
    """(R, 2, 2) of skill and side."""
    between: Floats
    """(R, m, 2)."""
    weights: Floats
    """(R,)."""

    @classmethod
    def at(cls, mode: Floats, rows: _Judgments) -> _Information:
        gap, skill, logit, surplus = rows.terms(mode)
        p = expit(logit)
        weight = rows.n * p * (1 - p)
        m, r = rows.n_sources, rows.n_annotators
        strengths: Floats = np.eye(m) / STRENGTH_SD**2
        for i, j, sign in (
            (rows.left, rows.left, 1),
            (rows.right, rows.right, 1),
            (rows.left, rows.right, -1),
            (rows.right, rows.left, -1),
        ):
            np.add.at(strengths, (i, j), sign * weight * skill**2)
        annotators = np.zeros((r, 2, 2))
        annotators[:, 0, 0] = 1 / SKILL_SD**2 + np.bincount(rows.annotators, weight * gap**2, r)
        annotators[:, 1, 1] = 1 / SIDE_SD**2 + np.bincount(rows.annotators, weight, r)
        off = np.bincount(rows.annotators, weight * gap, r)
        annotators[:, 0, 1] = annotators[:, 1, 0] = off
        between = np.zeros((r, m, 2))
        # The logit is a product of skill and gap, which adds the surplus.
        with_both = np.column_stack([weight * skill * gap - surplus, weight * skill])
        np.add.at(between, (rows.annotators, rows.left), with_both)
        np.add.at(between, (rows.annotators, rows.right), -with_both)
        return cls(
            strengths=strengths, annotators=annotators, between=between, weights=rows.weights
        )

    @cached_property
    def alone(self) -> Floats:
        """(R, 2, 2): covariance of an annotator's skill and side if strengths were known."""
        return np.asarray(np.linalg.inv(self.annotators))

    @cached_property
    def regressed(self) -> Floats:
        """(R, m, 2): between times the inverse of annotators."""
        return np.asarray(self.between @ self.alone)

    @cached_property
    def free(self) -> Floats:
        """(m, m): covariance of strengths if the mean skill were free."""
        schur = self.strengths - np.einsum("rik,rjk->ij", self.regressed, self.between)
        return np.asarray(np.linalg.inv(schur))

    @cached_property
    def with_mean(self) -> tuple[Floats, Floats, float]:
        """Covariances with the mean skill, if it were free: of strengths (m,), of skills and sides
        (R, 2); and its variance."""
        through = self.free @ np.einsum("r,ri->i", self.weights, self.regressed[:, :, 0])
        of_annotators = self.weights[:, None] * self.alone[:, 0] + np.einsum(
            "rik,i->rk", self.regressed, through
        )
        return -through, of_annotators, float(self.weights @ of_annotators[:, 0])

    def of_strengths(self) -> Floats:
        """(m, m): covariance of strengths less their mean."""
        with_mean, _, variance = self.with_mean
        given = self.free - np.outer(with_mean, with_mean) / variance
        centre = np.eye(len(given)) - 1 / len(given)
        return np.asarray(centre @ given @ centre)

    def of_annotators(self) -> tuple[Floats, Floats]:
        """(R,) each: variances of skills and of sides."""
        _, with_mean, variance = self.with_mean
        through = np.einsum("rik,ij,rjk->rk", self.regressed, self.free, self.regressed)
        own = np.einsum("rkk->rk", self.alone)
        skills, sides = (own + through - with_mean**2 / variance).T
        return skills, sides

    def effective_scores(self, mode: Floats, single: _Judgments) -> Floats:
        """(M, m): each judgment's score of the strengths, less what skill and side explain."""
        gap, skill, _, surplus = single.terms(mode)
        rows = np.arange(len(surplus))
        scores = np.zeros((len(surplus), single.n_sources))
        scores[rows, single.left] = surplus * skill
        scores[rows, single.right] = -surplus * skill
        own = np.column_stack([surplus * gap, surplus])
        explained = np.einsum("mik,mk->mi", self.regressed[single.annotators], own)
        return np.asarray(scores - explained)


def _common_part(
    information: _Information, mode: Floats, single: _Judgments, prompts: Integers
) -> Floats:
    """(m, m): by how much the scores of whole prompts vary more than independent ones would."""
    m = single.n_sources
    order = np.argsort(prompts, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(prompts[order])) + 1)
    common = np.zeros((m, m))
    # A few prompts at a time: a row for each judgment and source does not fit into memory.
    block = starts * m // _CELLS_AT_ONCE
    for some in np.split(starts, np.flatnonzero(np.diff(block)) + 1):
        after = np.searchsorted(starts, some[-1], side="right")
        end = starts[after] if after < len(starts) else len(order)
        scores = information.effective_scores(mode, single.some(order[some[0] : end]))
        sums = np.add.reduceat(scores, some - some[0], axis=0)
        common += sums.T @ sums - scores.T @ scores
    return common


def _around(value: Floats, variances: Floats) -> Estimates:
    # What is known for certain, as the skill of one alone, may have a variance rounded below 0.
    half = Z95 * np.sqrt(np.maximum(variances, 0.0))
    return Estimates(value=value, low=value - half, high=value + half)
