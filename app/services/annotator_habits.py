"""How one annotator judges, beyond reliability: ties, skips, sides, repeats, kappa, times, circles.

Counts come from the project's sums; times and circles need texts and single judgments, and look at
the annotator's latest ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.judgments import Judgment, Preference, Verdict
from app.models.projects import Comparison, ComparisonCompletion, Completion, Project, Prompt
from app.rules.annotator_diagnostics import (
    Intransitivity,
    circular_triads,
    consistency,
    entropy,
    in_triples,
    intransitivity,
    side_difference,
)
from app.rules.bootstrap import FEWEST_UNITS, Statistic
from app.rules.cohen import kappas
from app.rules.pace import UnusualTimes, unusual_times
from app.rules.project_statistics import AnnotatorPair, AnnotatorSums
from app.rules.proportions import wilson
from app.rules.text_features import words
from app.services.current import counts_for

TIMED = 200
"""Latest judgments whose times are compared with the text shown."""
IN_CIRCLES = 2_000
"""Latest preferences in which circles are looked for."""


@dataclass(frozen=True, kw_only=True)
class Habits:
    ties: Statistic
    """Both bad too."""
    skips: Statistic
    """Of all that was answered or skipped."""
    side_difference: Statistic
    """Share of the left less share of the right, of all verdicts whose sides are known."""
    entropy: Statistic
    """Of left, right and neither, in bits."""
    repeats: dict[str, Statistic]
    """`kept` and `swapped`: the same verdict again, by how the sides were shown."""
    kappa: Statistic
    """Mean over those who share 20 comparisons or more; n counts them."""
    times: UnusualTimes
    circles: Intransitivity
    in_triples: int
    """Comparisons in which circles are looked for."""
    in_circles: int
    """Those of them that are part of one."""


def of(
    session: Session,
    project: Project,
    annotator_id: UUID,
    sums: AnnotatorSums,
    pairs: Sequence[AnnotatorPair],
    *,
    skips: int,
) -> Habits:
    """pairs: `ProjectStatistics.pairs()`."""
    totals, sides = sums.totals, list(sums.sides.values())
    left, decisive = (sum(getattr(s, name) for s in sides) for name in ("side_a", "decisive"))
    by_side = (left, decisive - left, sum(s.shown for s in sides) - decisive)
    _, seconds, shown = timed(session, project, annotator_id)
    tournaments = compared(session, project, annotator_id)
    in_triples, in_circles = of_triples(tournaments)
    return Habits(
        ties=wilson(totals.tie + totals.both_bad, totals.counted),
        skips=wilson(skips, totals.judged + skips),
        side_difference=side_difference(*by_side),
        entropy=entropy(by_side),
        repeats={
            name: consistency(found.same, found.repeats)
            for name, swapped in (("kept", False), ("swapped", True))
            if (found := sums.repeats.get(swapped)) is not None
        },
        kappa=_kappa(annotator_id, pairs),
        times=unusual_times(seconds, shown),
        circles=intransitivity([circular_triads(one.beats) for one in tournaments]),
        in_triples=len(in_triples),
        in_circles=len(in_circles),
    )


def _kappa(annotator_id: UUID, pairs: Sequence[AnnotatorPair]) -> Statistic:
    """Without an interval: what the others say of one annotator's judgments hangs together."""
    mine = [
        pair.labels
        for pair in pairs
        if annotator_id in (pair.a, pair.b) and pair.labels.sum() >= FEWEST_UNITS
    ]
    found = kappas(np.array(mine)) if mine else np.zeros(0)
    found = found[~np.isnan(found)]
    if not len(found):
        return Statistic(value=None, n=0, reason="one_category" if mine else "too_few_in_common")
    return Statistic(value=float(found.mean()), n=len(found), reason="pairs_share_judgments")


def timed(
    session: Session, project: Project, annotator_id: UUID
) -> tuple[list[UUID], list[float], list[int]]:
    """Of the latest judgments of any kind whose time is known: what was compared, the seconds and
    the words shown."""
    rows = session.execute(
        select(Judgment.comparison_id, Judgment.active_ms)
        .where(
            Judgment.annotator_id == annotator_id,
            Judgment.project_id == project.id,
            Judgment.active_ms > 0,
        )
        .order_by(Judgment.received_at.desc())
        .limit(TIMED)
    )
    taken = [(comparison, active_ms) for comparison, active_ms in rows if active_ms is not None]
    shown = _words_shown(session, [comparison for comparison, _ in taken])
    return (
        [comparison for comparison, _ in taken],
        [active_ms / 1000 for _, active_ms in taken],
        [max(1, shown[comparison]) for comparison, _ in taken],
    )


def _words_shown(session: Session, comparisons: Sequence[UUID]) -> dict[UUID, int]:
    shown: dict[UUID, int] = {}
    for key, messages in session.execute(
        select(Comparison.id, Prompt.messages)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
        .where(Comparison.id.in_(comparisons))
    ):
        shown[key] = sum(words(message["content"]) for message in messages)
    for key, text in session.execute(
        select(ComparisonCompletion.comparison_id, Completion.text)
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(comparisons))
    ):
        shown[key] += words(text)
    return shown


@dataclass(frozen=True, kw_only=True)
class Tournament:
    """What was preferred to what of one prompt's responses that were compared in twos."""

    beats: NDArray[np.bool_]
    """(n, n)."""
    comparisons: dict[tuple[int, int], UUID]
    """In which that was said."""


def compared(session: Session, project: Project, annotator_id: UUID) -> list[Tournament]:
    """A tournament for each prompt of which three preferences or more are known."""
    beaten: defaultdict[UUID, dict[tuple[UUID, UUID], UUID]] = defaultdict(dict)
    for prompt, comparison, chosen, rejected in session.execute(
        select(Comparison.prompt_id, Comparison.id, Preference.chosen_id, Preference.rejected_id)
        .select_from(Judgment)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .join(Preference, Preference.judgment_id == Judgment.id)
        .where(
            *counts_for(project),
            Judgment.annotator_id == annotator_id,
            Judgment.verdict == Verdict.PREFERRED,
            Comparison.size == 2,
        )
        .order_by(Judgment.received_at.desc())
        .limit(IN_CIRCLES)
    ):
        beaten[prompt][chosen, rejected] = comparison
    return [_tournament(pairs) for pairs in beaten.values() if len(pairs) > 2]


def _tournament(beaten: dict[tuple[UUID, UUID], UUID]) -> Tournament:
    number = {key: i for i, key in enumerate(sorted({key for pair in beaten for key in pair}))}
    beats = np.zeros((len(number), len(number)), bool)
    comparisons = {(number[a], number[b]): key for (a, b), key in beaten.items()}
    for place in comparisons:
        beats[place] = True
    return Tournament(beats=beats, comparisons=comparisons)


def of_triples(tournaments: Sequence[Tournament]) -> tuple[set[UUID], set[UUID]]:
    """The comparisons that are part of a triple, and of one that goes round."""
    found: tuple[set[UUID], set[UUID]] = (set(), set())
    for one in tournaments:
        for comparisons, are_part in zip(found, in_triples(one.beats), strict=True):
            comparisons.update(key for place, key in one.comparisons.items() if are_part[place])
    return found
