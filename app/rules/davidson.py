"""Davidson's model of ties: i wins, j wins, tie as pi_i : pi_j : nu sqrt(pi_i pi_j).

Davidson 1970, JASA 65, 317. Log-linear in theta = ln pi and ln nu; the score, wins plus half of the
ties, stays sufficient for the strengths.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csgraph, csr_matrix

from app.rules.bootstrap import FEWEST_UNITS, Floats, Statistic
from app.rules.bradley_terry import Contests, components
from app.rules.proportions import Z95

_MAX_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class Davidson:
    strengths: Floats
    """(m,): natural logarithms with mean zero."""
    nu: float
    """How much weight a tie has; 0 without ties."""

    @property
    def tie_rate(self) -> float:
        """Of two sources of equal strength: nu / (2 + nu)."""
        return self.nu / (2 + self.nu)


def fit(contests: Contests) -> Davidson | None:
    """Maximum likelihood by Newton's method; None where it does not exist, because the contests
    are not connected or wins go round nowhere that ties do not."""
    wins, ties = _counts(contests)
    m, has_ties = len(wins), bool(ties.any())
    if len(components(wins + ties)) > 1 or (has_ties and _is_unbounded(wins, ties)):
        return None
    scores = (wins + ties / 2).sum(axis=1)
    n = wins + wins.T + ties
    theta, log_nu = np.zeros(m), 0.0 if has_ties else -np.inf
    size = m + has_ties
    for _ in range(_MAX_STEPS):
        win, tie = _probabilities(theta, np.exp(log_nu))
        gradient = np.append(
            scores - (n * (win + tie / 2)).sum(axis=1), (ties - n * tie).sum() / 2
        )[:size]
        information = _information(n, win, tie)[:size, :size]
        step = np.linalg.solve(information, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        theta = theta + step[:m]
        log_nu += float(step[m]) if has_ties else 0.0
        if np.abs(step).max() <= _TOLERANCE:
            return Davidson(strengths=theta - theta.mean(), nu=float(np.exp(log_nu)))
    raise ArithmeticError("Davidson's model does not converge on connected contests")


def nu_interval(contests: Contests, found: Davidson) -> Statistic:
    """nu with an interval from leaving out one group after the other (jackknife) on its logarithm.

    n counts judgments. There is no interval without ties, of few groups, and where the maximum
    does not exist without one of them.
    """
    groups = np.unique(contests.groups[contests.wins.any(axis=1)])
    n, g = int(contests.wins.sum()), len(groups)
    if found.nu == 0 or g < FEWEST_UNITS:
        reason = "too_few_for_interval" if found.nu else "no_ties"
        return Statistic(value=found.nu, n=n, reason=reason)
    logarithms = []
    for group in groups:
        kept = contests.groups != group
        without = fit(
            Contests(
                first=contests.first[kept],
                second=contests.second[kept],
                groups=contests.groups[kept],
                wins=contests.wins[kept],
                n_sources=contests.n_sources,
            )
        )
        if without is None or without.nu == 0:
            return Statistic(value=found.nu, n=n, reason="not_resampled")
        logarithms.append(math.log(without.nu))
    error = math.sqrt(g - 1) * float(np.std(logarithms))
    low, high = (found.nu * math.exp(sign * Z95 * error) for sign in (-1, 1))
    return Statistic(value=found.nu, low=low, high=high, n=n)


def _counts(contests: Contests) -> tuple[Floats, Floats]:
    """(m, m) wins without ties, and ties, symmetric."""
    m = contests.n_sources
    wins, ties = np.zeros((m, m)), np.zeros((m, m))
    for i, j, k in ((contests.first, contests.second, 0), (contests.second, contests.first, 1)):
        np.add.at(wins, (i, j), contests.wins[:, k])
        np.add.at(ties, (i, j), contests.wins[:, 2])
    return wins, ties


def _is_unbounded(wins: Floats, ties: Floats) -> bool:
    """Whether nu grows without end: some strengths lie one apart or more along every win and one
    apart or less along every tie, and the likelihood grows the farther they are stretched."""
    limits = np.where(wins > 0, -1.0, np.where(ties > 0, 1.0, 0.0))
    try:
        csgraph.bellman_ford(csr_matrix(limits))
    except csgraph.NegativeCycleError:
        return False
    return True


def _probabilities(theta: Floats, nu: float) -> tuple[Floats, Floats]:
    """(m, m): P(i beats j), P(tie)."""
    half = (theta[:, None] - theta[None, :]) / 2
    up, down = np.exp(half), np.exp(-half)
    total = up + down + nu
    return up / total, nu / total


def _information(n: Floats, win: Floats, tie: Floats) -> Floats:
    """(m + 1, m + 1): covariance of the scores and of the number of ties.

    One contest's score of i, less its score of j, is 1, -1 or 0 with mean win - lose.
    """
    m = len(n)
    lose = win.T
    variance = n * (win + lose - (win - lose) ** 2) / 4
    with_ties = -(n * (win - lose) * tie).sum(axis=1) / 2
    information = np.zeros((m + 1, m + 1))
    information[:m, :m] = np.diag(variance.sum(axis=1)) - variance
    # Flat along (1, ..., 1); any curvature there keeps the mean at zero.
    information[:m, :m] += variance.sum() / m**2
    information[:m, m] = information[m, :m] = with_ties
    information[m, m] = (n * tie * (1 - tie)).sum() / 2
    return information
