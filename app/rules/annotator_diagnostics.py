"""What an annotator's judgments tell about the annotator, from plain counts.

Each figure has its n, an interval, and where there is something to expect a p value; before anybody
is flagged, `significance.discoveries` is asked about all of them. Sides are those shown, whose
order is random. A preference for length or markdown is no fault: it is compared with that of the
others.
Left out: anything that acts on a figure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from app.rules import logistic as regression
from app.rules.bootstrap import FEWEST_UNITS, REPLICATES, SEED, Statistic
from app.rules.logistic import Logistic, logistic
from app.rules.proportions import wilson
from app.rules.significance import Tested, share, share_beside, trend


def position_bias(side_a: int, decisive: int) -> Tested:
    """Share of side A among decisive judgments, tested against one half."""
    return share(side_a, decisive)


def side_difference(side_a: int, side_b: int, ties: int) -> Statistic:
    """Share of side A less share of side B, of all judgments with ties; interval by resampling
    judgments. It tells a leaning from one that hides behind many ties."""
    counts = np.array([side_a, side_b, ties])
    n = int(counts.sum())
    if n == 0:
        return Statistic(value=None, n=0, reason="no_data")
    value = (side_a - side_b) / n
    if n < FEWEST_UNITS:
        return Statistic(value=value, n=n, reason="too_few_for_interval")
    drawn = np.random.default_rng(SEED).multinomial(n, counts / n, size=REPLICATES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / n, [2.5, 97.5])
    return Statistic(value=value, low=float(low), high=float(high), n=n)


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
    """Of an annotator's labels, in bits; 0 for somebody who always says the same."""
    n = sum(counts)
    if n == 0:
        return Statistic(value=None, n=0, reason="no_data")
    shares = [count / n for count in counts if count]
    return Statistic(
        value=-sum(p * math.log2(p) for p in shares) + 0.0, n=n, reason="not_resampled"
    )


@dataclass(frozen=True, kw_only=True)
class CircularTriads:
    """Cycles among what one annotator said of one prompt's completions, i over j over k over i."""

    share: Statistic
    """Of the triples in which every two were judged without a tie; a guesser has one in four."""
    consistency: float | None
    """Kendall's zeta, 1 without cycles and 0 at the most there can be; complete tournaments only
    (Kendall & Babington Smith 1940)."""


def circular_triads(beats: ArrayLike) -> CircularTriads:
    """beats is (n, n) bool: i was preferred to j."""
    wins = np.asarray(beats, dtype=np.float64)
    judged = wins + wins.T
    n = len(wins)
    triples = round(float(np.trace(judged @ judged @ judged)) / 6)
    if triples == 0:
        none = Statistic(value=None, n=0, reason="no_triples")
        return CircularTriads(share=none, consistency=None)
    cycles = round(float(np.trace(wins @ wins @ wins)) / 3)
    zeta = None
    if triples == math.comb(n, 3):
        most = (n**3 - (n if n % 2 else 4 * n)) / 24
        zeta = 1 - cycles / most
    # Triples share pairs, so they are no independent trials.
    found = Statistic(value=cycles / triples, n=triples, reason="not_resampled")
    return CircularTriads(share=found, consistency=zeta)
