"""Logistic regression, by hand, against another optimiser and in simulation."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from app.rules.logistic import difference, logistic


def test_two_values_have_the_log_odds():
    """30 of 40 at 0 and 10 of 40 at 1: intercept ln 3, slope -2 ln 3, and the variance of a log
    odds is the sum of reciprocal counts."""
    found = logistic([0, 1], [30, 10], [40, 40])

    intercept, slope = found.intercept.statistic, found.slope.statistic
    assert intercept.value == pytest.approx(math.log(3))
    assert slope.value == pytest.approx(-2 * math.log(3))
    assert slope.high - slope.value == pytest.approx(1.959964 * math.sqrt(2 * (1 / 30 + 1 / 10)))
    z = math.log(3) / math.sqrt(1 / 30 + 1 / 10)
    assert found.intercept.p == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_it_maximises_the_likelihood():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = rng.random(200) < 1 / (1 + np.exp(-(0.3 + 1.2 * x)))

    def loss(b):
        eta = b[0] + b[1] * x
        return (np.logaddexp(0, eta) - y * eta).sum()

    best = minimize(loss, np.zeros(2), tol=1e-12).x
    found = logistic(x, y, np.ones(200))
    assert found.intercept.statistic.value == pytest.approx(best[0], abs=1e-4)
    assert found.slope.statistic.value == pytest.approx(best[1], abs=1e-4)


def test_bins_give_what_their_trials_give():
    x = np.repeat([-1.0, 0.0, 0.5, 2.0], 10)
    y = np.tile([1, 0, 1, 1, 0, 0, 1, 0, 1, 1], 4) * np.repeat([0, 1, 1, 1], 10)
    y[0] = 1
    single = logistic(x, y, np.ones(40))
    binned = logistic([-1, 0, 0.5, 2], y.reshape(4, 10).sum(axis=1), [10] * 4)

    assert binned.slope.statistic.value == pytest.approx(single.slope.statistic.value)
    assert binned.slope.p == pytest.approx(single.slope.p)


def test_a_cluster_copied_tells_no_more_than_once():
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = rng.random(60) < 1 / (1 + np.exp(-x))
    once = logistic(x, y, np.ones(60), clusters=np.arange(60))
    copied = logistic(
        np.repeat(x, 5), np.repeat(y, 5), np.ones(300), clusters=np.repeat(np.arange(60), 5)
    )
    naive = logistic(np.repeat(x, 5), np.repeat(y, 5), np.ones(300))

    assert copied.slope.statistic.low == pytest.approx(once.slope.statistic.low)
    assert naive.slope.p < copied.slope.p


def test_clustered_errors_equal_those_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(2)
    x, cluster = rng.normal(size=150), np.repeat(np.arange(50), 3)
    y = (rng.random(150) < 1 / (1 + np.exp(-x))).astype(float)

    peer = api.Logit(y, api.add_constant(x)).fit(disp=0)
    robust = api.Logit(y, api.add_constant(x)).fit(
        disp=0, cov_type="cluster",
        cov_kwds={"groups": cluster, "use_correction": False},
    )  # fmt: skip
    found = logistic(x, y, np.ones(150))
    clustered = logistic(x, y, np.ones(150), clusters=cluster)

    assert found.slope.statistic.value == pytest.approx(peer.params[1])
    assert found.slope.p == pytest.approx(peer.pvalues[1])
    half = (clustered.slope.statistic.high - clustered.slope.statistic.low) / 2 / 1.959964
    assert half == pytest.approx(robust.bse[1] * math.sqrt(50 / 49))


@pytest.mark.parametrize(
    ("x", "k", "n", "reason"),
    [
        ([], [], [], "no_data"),
        ([0, 1], [0, 0], [30, 30], "one_outcome"),
        ([2, 2], [10, 20], [30, 30], "one_value"),
        ([0, 1], [0, 30], [30, 30], "separated"),
        ([0, 1, 2], [0, 5, 30], [30, 30, 30], "separated"),
    ],
)
def test_what_has_no_maximum_is_undefined(x, k, n, reason):
    found = logistic(x, k, n)

    assert (found.slope.statistic.value, found.slope.p) == (None, None)
    assert found.slope.statistic.reason == reason


def test_the_difference_of_two_slopes_by_hand():
    one, others = (logistic([0, 1], k, [40, 40]).slope for k in ([30, 10], [20, 20]))

    found = difference(one, others)

    variance = 2 * (1 / 30 + 1 / 10) + 4 / 20
    assert found.statistic.value == pytest.approx(-2 * math.log(3))
    assert found.p == pytest.approx(math.erfc(math.log(9) / math.sqrt(2 * variance)))
    assert difference(one, logistic([], [], []).slope).statistic.reason == "no_data"
