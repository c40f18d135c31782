"""Davidson's model of ties: i wins, j wins, tie as pi_i : pi_j : nu sqrt(pi_i pi_j).

Davidson 1970, JASA 65, 317. Log-linear in theta = ln pi and ln nu; the score, wins plus half of the
ties, stays sufficient for the strengths.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csgraph, csr_matrix

from app.rules.bootstrap import FEWEST_UNITS, Floats, Mask, Statistic
from app.rules.bradley_terry import Contests, components
from app.rules.proportions import Z95

_MAX_STEPS = 100
_TOLERANCE = 1e-10
_CELLS_AT_ONCE = 1_000_000


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
    if not _exists(wins, ties):
        return None
    start = np.zeros(len(wins)), 0.0 if ties.any() else -np.inf
    theta, log_nu = _maxima(wins[None], ties[None], start)
    return Davidson(strengths=theta[0], nu=float(np.exp(log_nu[0])))


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
    wins, ties = _counts(contests)
    start = found.strengths, math.log(found.nu)
    logarithms = []
    for some in np.array_split(groups, -(-g * wins.size // _CELLS_AT_ONCE)):
        of_group = [_counts(contests, contests.groups == group) for group in some]
        less_wins = wins - np.array([w for w, _ in of_group])
        less_ties = ties - np.array([t for _, t in of_group])
        # Only what lacks some of the wins or ties can fall apart.
        lacks = ((less_wins > 0) != (wins > 0)) | ((less_ties > 0) != (ties > 0))
        for i in np.flatnonzero(lacks.any(axis=(1, 2))):
            if not less_ties[i].any() or not _exists(less_wins[i], less_ties[i]):
                return Statistic(value=found.nu, n=n, reason="not_resampled")
        logarithms.append(_maxima(less_wins, less_ties, start)[1])
    error = math.sqrt(g - 1) * float(np.std(np.concatenate(logarithms)))
    low, high = (found.nu * math.exp(sign * Z95 * error) for sign in (-1, 1))
    return Statistic(value=found.nu, low=low, high=high, n=n)


def _exists(wins: Floats, ties: Floats) -> bool:
    if len(components(wins + ties)) > 1:
        return False
    return not (ties.any() and _is_unbounded(wins, ties))


def _maxima(wins: Floats, ties: Floats, start: tuple[Floats, float]) -> tuple[Floats, Floats]:
    """(B, m) strengths and (B,) ln nu of (B, m, m) tables that have a maximum. From ln nu = -inf,
    which is for tables without ties, it stays there."""
    scores = (wins + ties / 2).sum(axis=2)
    n = wins + wins.transpose(0, 2, 1) + ties
    size, m, _ = wins.shape
    has_ties = bool(np.isfinite(start[1]))
    theta, log_nu = np.tile(start[0], (size, 1)), np.full(size, start[1])
    known = m + has_ties
    for _ in range(_MAX_STEPS):
        win, tie = _probabilities(theta, np.exp(log_nu))
        of_nu = (ties - n * tie).sum(axis=(1, 2)) / 2
        gradient = np.column_stack([scores - (n * (win + tie / 2)).sum(axis=2), of_nu])[:, :known]
        information = _information(n, win, tie)[:, :known, :known]
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300))[:, None]
        theta += step[:, :m]
        if has_ties:
            log_nu += step[:, m]
        if longest.max() <= _TOLERANCE:
            return theta - theta.mean(axis=1, keepdims=True), log_nu
    raise ArithmeticError("Davidson's model does not converge on connected contests")


def _counts(contests: Contests, rows: Mask | slice = slice(None)) -> tuple[Floats, Floats]:
    """(m, m) wins without ties, and ties, symmetric, of some rows."""
    m = contests.n_sources
    first, second, counts = contests.first[rows], contests.second[rows], contests.wins[rows]
    wins, ties = np.zeros((m, m)), np.zeros((m, m))
    for i, j, k in ((first, second, 0), (second, first, 1)):
        np.add.at(wins, (i, j), counts[:, k])
        np.add.at(ties, (i, j), counts[:, 2])
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


def _probabilities(theta: Floats, nu: Floats) -> tuple[Floats, Floats]:
    """(B, m, m): P(i beats j), P(tie)."""
    half = (theta[:, :, None] - theta[:, None, :]) / 2
    up, down = np.exp(half), np.exp(-half)
    total = up + down + nu[:, None, None]
    return up / total, nu[:, None, None] / total


def _information(n: Floats, win: Floats, tie: Floats) -> Floats:
    """(B, m + 1, m + 1): covariance of the scores and of the number of ties.

    One contest's score of i, less its score of j, is 1, -1 or 0 with mean win - lose.
    """
    size, m, _ = n.shape
    lose = win.transpose(0, 2, 1)
    variance = n * (win + lose - (win - lose) ** 2) / 4
    with_ties = -(n * (win - lose) * tie).sum(axis=2) / 2
    information = np.zeros((size, m + 1, m + 1))
    # Flat along (1, ..., 1); any curvature there keeps the mean at zero.
    information[:, :m, :m] = variance.sum(axis=(1, 2))[:, None, None] / m**2 - variance
    diagonal = np.arange(m)
    information[:, diagonal, diagonal] += variance.sum(axis=2)
    information[:, :m, m] = information[:, m, :m] = with_ties
    information[:, m, m] = (n * tie * (1 - tie)).sum(axis=(1, 2)) / 2
    return information
