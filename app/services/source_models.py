"""What models that need every judgment say of a project's sources.

Crowd-Bradley-Terry weighs annotators by their skill and takes off how far they lean to a side;
style control takes off what length and side do. Projects up to FITTED_UP_TO and larger ones are
treated as in `annotator_models`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.rules import crowd_bradley_terry, style_control
from app.rules.bootstrap import Floats, Integers
from app.rules.crowd_bradley_terry import CrowdBradleyTerry
from app.rules.judged_batch import UNKNOWN
from app.rules.style_control import ShownContests
from app.services.counted_judgments import Contests, CountedJudgments
from app.services.kept_fits import NO_SOURCE, Fitted, SourceFits, fitted

STRENGTH = "crowd_bradley_terry_strength"
AT_EQUAL_LENGTH = "style_control_strength"
STYLE_EFFECT = "style_control_effect"
"""Of LENGTH and SIDE instead of sources."""
OF_SOURCES = (STRENGTH, AT_EQUAL_LENGTH, STYLE_EFFECT)
LENGTH, SIDE = "length", "side"
MOST_SOURCES = 30
"""Those with most judgments are on the leaderboard; strengths of more would make it slow."""


def crowd(judged: CountedJudgments, contests: Contests, rows: Integers) -> CrowdBradleyTerry:
    """Fitted to these judgments, which are of two sources on known sides; a tie, and both bad, is
    half a judgment for each side."""
    left = contests.side_a[rows]
    return crowd_bradley_terry.fit(
        judged.annotators[rows],
        contests.sources[rows, left],
        contests.sources[rows, 1 - left],
        _won(judged.labels[rows], left),
        n_sources=len(contests.names),
        n_annotators=len(judged.people),
        prompts=contests.prompts[rows],
    )


def strengths_of(found: CrowdBradleyTerry, contests: Contests, rows: Integers) -> Fitted[str]:
    """The strengths of a crowd-Bradley-Terry fit to these judgments."""
    met = np.bincount(contests.sources[rows].ravel(), minlength=len(contests.names))
    names = [name or NO_SOURCE for name in contests.names]
    reasons = np.where(met > 0, "", "no_contests").tolist()
    return replace(fitted(names, found.strengths, met, reasons), judgments=len(rows))


def style(judged: CountedJudgments, contests: Contests) -> SourceFits:
    """AT_EQUAL_LENGTH and STYLE_EFFECT, from all judgments between two of the busiest sources."""
    shown = _busiest(contests)
    number = np.full(len(contests.names), -1)
    number[shown] = np.arange(len(shown))
    both = number[contests.sources]
    rows = np.flatnonzero((both >= 0).all(axis=1) & (both[:, 0] != both[:, 1]))
    characters = np.maximum(contests.lengths[rows], 1)
    # The completion at position 0 comes first; side A is the left one.
    left = contests.side_a[rows]
    found = style_control.fit(
        ShownContests(
            first=both[rows, 0],
            second=both[rows, 1],
            prompts=contests.prompts[rows],
            won=_won(judged.labels[rows], 0),
            log_ratio=np.log(characters[:, 0] / characters[:, 1]),
            side=np.where(left == UNKNOWN, 0.0, 1.0 - 2.0 * left),
            n_sources=len(shown),
        )
    )
    names = [contests.names[i] or NO_SOURCE for i in shown.tolist()]
    strengths = dict(zip(names, found.strengths, strict=True))
    effects = {LENGTH: found.length, SIDE: found.side}
    return {
        figure: Fitted(of=of, judgments=len(rows), fitted_at=None)
        for figure, of in ((AT_EQUAL_LENGTH, strengths), (STYLE_EFFECT, effects))
    }


def _busiest(contests: Contests) -> Integers:
    """Numbers of the sources with most judgments of two of them, by name where equal."""
    differ = contests.sources[:, 0] != contests.sources[:, 1]
    met = np.bincount(contests.sources[differ].ravel(), minlength=len(contests.names))
    order = sorted(np.flatnonzero(met), key=lambda i: (-met[i], contests.names[i] or ""))
    return np.array(order[:MOST_SOURCES], np.int64)


def _won(labels: Integers, position: Integers | int) -> Floats:
    """1 where the completion at that position is preferred, 0 the other one, 0.5 neither."""
    return np.where(labels > 1, 0.5, labels == position).astype(np.float64)
