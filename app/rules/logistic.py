"""Logistic regression of shares on one covariate, with intercept, from single or binned trials."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from app.rules.bootstrap import FEWEST_UNITS, Floats, Statistic
from app.rules.proportions import Z95
from app.rules.significance import Tested

_MAX_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """logit P = intercept + slope x; both tested against 0 (Wald)."""

    intercept: Tested
    slope: Tested


def logistic(
    x: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, clusters: ArrayLike | None = None
) -> Logistic:
    """Maximum likelihood from (T,) values of x with successes among trials; bins work as well.

    Errors come from the information, or with `clusters` (T,) from the sandwich over clusters, times
    C / (C - 1). Undefined without trials (`no_data`), with one value of x (`one_value`) or one
    outcome (`one_outcome`) only, and where some value of x separates the outcomes (`separated`).
    """
    x, k, n = (np.asarray(values, dtype=np.float64) for values in (x, successes, trials))
    x, k, n = x[n > 0], k[n > 0], n[n > 0]
    total = int(n.sum())
    reason = _undefined(x, k, n)
    if reason is not None:
        nothing = Tested(statistic=Statistic(value=None, n=total, reason=reason), p=None)
        return Logistic(intercept=nothing, slope=nothing)
    design = np.column_stack([np.ones_like(x), x])
    beta = _newton(design, k, n)
    p = expit(design @ beta)
    bread = np.linalg.inv(_information(design, n, p))
    units = total
    covariance = bread
    if clusters is not None:
        of_row = np.asarray(clusters)[np.asarray(trials) > 0]
        names, cluster = np.unique(of_row, return_inverse=True)
        units = len(names)
        scores = np.zeros((units, 2))
        np.add.at(scores, cluster, design * (k - n * p)[:, None])
        covariance = units / max(units - 1, 1) * bread @ scores.T @ scores @ bread
    errors = np.sqrt(np.diag(covariance))
    intercept, slope = (
        _wald(float(value), float(error), total, units)
        for value, error in zip(beta, errors, strict=True)
    )
    return Logistic(intercept=intercept, slope=slope)


def difference(one: Tested, others: Tested) -> Tested:
    """Of two independent estimates with Wald intervals; undefined where one of them is."""
    a, b = one.statistic, others.statistic
    reason = a.reason or b.reason
    if reason is not None:
        return Tested(statistic=Statistic(value=None, n=a.n, reason=reason), p=None)
    assert a.value is not None
    assert b.value is not None
    error = math.hypot(*(_error(found) for found in (a, b)))
    return _wald(a.value - b.value, error, a.n, FEWEST_UNITS)


def _error(found: Statistic) -> float:
    assert found.low is not None
    assert found.high is not None
    return (found.high - found.low) / (2 * Z95)


def _wald(value: float, error: float, n: int, units: int) -> Tested:
    if units < FEWEST_UNITS:
        found = Statistic(value=value, n=n, reason="too_few_judgments")
        return Tested(statistic=found, p=None)
    found = Statistic(value=value, low=value - Z95 * error, high=value + Z95 * error, n=n)
    return Tested(statistic=found, p=float(2 * ndtr(-abs(value) / error)))


def _undefined(x: Floats, k: Floats, n: Floats) -> str | None:
    if not len(x):
        return "no_data"
    yes, no = x[k > 0], x[k < n]
    if len(np.unique(x)) == 1:
        return "one_value"
    if not len(yes) or not len(no):
        return "one_outcome"
    # Below, at or above some x all outcomes are the same, so the slope would be infinite.
    if yes.min() >= no.max() or yes.max() <= no.min():
        return "separated"
    return None


def _newton(design: Floats, k: Floats, n: Floats) -> Floats:
    beta = np.zeros(design.shape[1])
    for _ in range(_MAX_STEPS):
        p = expit(design @ beta)
        step = np.linalg.solve(_information(design, n, p), design.T @ (k - n * p))
        # A full step can overshoot where the fit is steep.
        scale = min(1.0, 4.0 / max(float(np.abs(design @ step).max()), 1e-300))
        beta = beta + scale * step
        if np.abs(step).max() <= _TOLERANCE:
            return beta
    raise ArithmeticError("the logistic regression does not converge on overlapping outcomes")


def _information(design: Floats, n: Floats, p: Floats) -> Floats:
    information: Floats = design.T @ (design * (n * p * (1 - p))[:, None])
    return information
