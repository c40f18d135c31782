"""What an annotator's judgments tell about the annotator, from plain counts.

Each figure has its n, an interval, and where there is something to expect a p value; before anybody
is flagged, `significance.discoveries` is asked about all of them. Sides are those shown, whose
order is random. A preference for length or markdown is no fault: it is compared with that of the
others.
Left out: anything that acts on a figure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.rules import logistic as regression
from app.rules.bootstrap import (
    FEWEST_UNITS,
    REPLICATES,
    SEED,
    Floats,
    Statistic,
    Summed,
    bootstrap,
)
from app.rules.coefficients import ratio
from app.rules.logistic import Logistic, logistic
from app.rules.proportions import wilson
from app.rules.significance import Tested, share, share_beside, trend


def position_bias(side_a: int, decisive: int) -> Tested:
    """Share of side A among decisive judgments, tested against one half."""
    return share(side_a, decisive)


def side_difference(side_a: int, side_b: int, ties: int) -> Statistic:
    """Share of side A less share of side B, of all judgments with ties; interval by resampling
    judgments. It tells a leaning from one that hides behind many ties."""
    return _of_counts((side_a, side_b, ties), lambda n: (n[:, 0] - n[:, 1]) / n.sum(axis=1))


def consistency(same: int, repeats: int) -> Statistic:
    """Share of planted repeats that got the same canonical label.

    With sides swapped, what is missing to 1 is noise and side bias together; with sides kept it is
    noise alone, and somebody who always clicks one side reaches 1.
    """
    return wilson(same, repeats, undefined="no_repeats")


def length_bias(
    log_ratio: ArrayLike,
    side_a: ArrayLike,
    decisive: ArrayLike,
    *,
    prompts: ArrayLike | None = None,
) -> Logistic:
    """logit P(A) = side + length ln(length A / length B), from (T,) bins or single judgments.

    The intercept is the side bias at equal length. `prompts` clusters the errors; bins of many
    prompts go without, and their errors are those of independent judgments.
    """
    return logistic(log_ratio, side_a, decisive, clusters=prompts)


def length_bias_beside(one: Logistic, others: Logistic) -> Tested:
    """How much more an annotator's choices follow length than those of the others do."""
    return regression.difference(one.slope, others.slope)


def preference(chosen: int, n: int, others_chosen: int, others_n: int) -> Tested:
    """Share in which the longer one, or the one with markdown, was chosen where only one was so;
    tested against the others."""
    return share_beside(chosen, n, others_chosen, others_n)


def drift(weeks: Sequence[float], earned: Sequence[float], judged: Sequence[float]) -> Tested:
    """Change per week of the share of agreement credit, or of right gold answers."""
    return trend(weeks, earned, judged)


def entropy(counts: Sequence[int]) -> Statistic:
    """Of an annotator's labels, in bits; 0 for somebody who always says the same. Interval by
    resampling judgments."""
    return _of_counts(counts, _entropy)


def _entropy(counts: Floats) -> Floats:
    shares = counts / counts.sum(axis=1, keepdims=True)
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    bits: Floats = np.abs((shares * logarithms).sum(axis=1))
    return bits


def _of_counts(counts: Sequence[int], statistic: Callable[[Floats], Floats]) -> Statistic:
    """What (B, q) counts of single judgments give, with its interval."""
    given = np.array([counts], np.float64)
    n = int(given.sum())
    if n == 0:
        return Statistic(value=None, n=0, reason="no_data")
    value = float(statistic(given)[0])
    if n < FEWEST_UNITS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    drawn = np.random.default_rng(SEED).multinomial(n, given[0] / n, size=REPLICATES)
    low, high = np.percentile(statistic(drawn.astype(np.float64)), [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)


@dataclass(frozen=True, kw_only=True)
class CircularTriads:
    """Cycles among what one annotator said of one prompt's completions, i over j over k over i."""

    cycles: int
    triples: int
    """Those in which every two were judged without a tie."""
    consistency: float | None
    """Kendall's zeta, 1 without cycles and 0 at the most there can be; complete tournaments only
    (Kendall & Babington Smith 1940)."""


def circular_triads(beats: ArrayLike) -> CircularTriads:
    """beats is (n, n) bool: i was preferred to j."""
    wins = np.asarray(beats, dtype=np.float64)
    judged = wins + wins.T
    n = len(wins)
    triples = round(float(np.trace(judged @ judged @ judged)) / 6)
    cycles = round(float(np.trace(wins @ wins @ wins)) / 3)
    zeta = None
    if triples and triples == math.comb(n, 3):
        most = (n**3 - (n if n % 2 else 4 * n)) / 24
        zeta = 1 - cycles / most
    return CircularTriads(cycles=cycles, triples=triples, consistency=zeta)


def in_triples(beats: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n, n) each: which preferences are part of a triple, and of one that goes round."""
    wins = np.asarray(beats, dtype=np.float64)
    judged = wins + wins.T
    return (wins > 0) & (judged @ judged > 0), (wins > 0) & ((wins @ wins).T > 0)


@dataclass(frozen=True, kw_only=True)
class Intransitivity:
    """Of an annotator, over prompts; n counts prompts, which are what is resampled."""

    share: Statistic
    """Of triples that go round; a guesser has one in four."""
    consistency: Statistic
    """Mean of Kendall's zeta over the prompts whose completions were all compared."""


def intransitivity(prompts: Sequence[CircularTriads]) -> Intransitivity:
    """Triples of a prompt share pairs, so that they are no independent trials."""
    rows = np.array(
        [(t.cycles, t.triples, t.consistency or 0.0, t.consistency is not None) for t in prompts],
        np.float64,
    ).reshape(-1, 4)
    share, consistency = bootstrap(
        [
            Summed(
                rows=part,
                counts=part[:, 1] > 0,
                statistic=lambda sums: ratio(sums[:, 0], sums[:, 1]),
                undefined="no_triples",
            )
            for part in (rows[:, :2], rows[:, 2:])
        ],
        None,
        np.ones(len(rows), np.int64),
    )
    return Intransitivity(share=share, consistency=consistency)
