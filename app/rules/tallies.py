"""What the judgments of one comparison add to the sums that are kept (`models/tallies.py`).

A pure function of the comparison's current judgments: a sum changes by the difference of what they
add after and before, and equals the total over all comparisons.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

CREDIT = 720720
"""The unit of `credit` is 1/CREDIT: the least common multiple of 1 to 16, so that the shares among
up to 17 annotators add up without rounding."""
FIRST = 2
"""Judgments of a comparison that no conflict between them has called for."""
LABELS = ("first", "second", "tie", "both_bad")

DayKey = tuple[UUID, date]
VoteKey = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A current judgment, as far as sums need it."""

    annotator_id: UUID
    day: date
    kind: str
    """Of the judgment: `normal`, `gold` or `repeat`."""
    verdict: str
    choice: Hashable
    """Equal for two judgments that say the same: a position, a ranking, or None."""
    preferred_position: int | None
    """The preferred completion's canonical position."""
    side: int | None
    """The place where the preferred completion was shown, 0 for A; None where unknown."""


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one comparison adds."""

    days: dict[DayKey, Counter[str]] = field(default_factory=dict)
    votes: VoteKey = (0, 0, 0, 0)
    """Counted labels in the order of LABELS; all 0 unless it compares two completions."""
    judged: int = 0
    contested: bool = False


def contribution(
    votes: Sequence[Vote], *, gold: bool, size: int, first_only: bool = False
) -> Contribution:
    """votes: in the order in which they were received. Judgments of a gold comparison and repeats
    count as work done and nowhere else.

    first_only: only the FIRST judgments are compared with each other. Where more are asked for
    because these conflict, whoever gives the others would agree less with everybody.
    """
    counted = [] if gold else [vote for vote in votes if vote.kind == "normal"]
    labels = Counter((vote.verdict, vote.choice) for vote in counted)
    days: dict[DayKey, Counter[str]] = {}
    for vote in votes:
        days.setdefault((vote.annotator_id, vote.day), Counter())["judged"] += 1
    for vote in counted:
        sums = days[vote.annotator_id, vote.day]
        sums["counted"] += 1
        sums[vote.verdict] += 1
        # Of more than two, chance would not be one half.
        if vote.side is not None and size == 2:
            sums["sided"] += 1
            sums["first_side"] += vote.side == 0
    _add_credit(days, counted[:FIRST] if first_only else counted)
    return Contribution(
        days=days,
        votes=_labels(counted) if size == 2 else (0, 0, 0, 0),
        judged=len({vote.annotator_id for vote in votes if vote.kind != "repeat"}),
        contested=len(labels) > 1,
    )


def _add_credit(days: dict[DayKey, Counter[str]], compared: Sequence[Vote]) -> None:
    others = len(compared) - 1
    if others < 1:
        return
    labels = Counter((vote.verdict, vote.choice) for vote in compared)
    for vote in compared:
        sums = days[vote.annotator_id, vote.day]
        sums["shared"] += 1
        same = labels[vote.verdict, vote.choice] - 1
        sums["credit"] += round(CREDIT * same / others)


def _labels(votes: list[Vote]) -> VoteKey:
    given = Counter(
        LABELS[vote.preferred_position] if vote.preferred_position is not None else vote.verdict
        for vote in votes
    )
    first, second, tie, both_bad = (given[label] for label in LABELS)
    return first, second, tie, both_bad


def change(before: Contribution, after: Contribution) -> dict[DayKey, Counter[str]]:
    """By how much the sums of each annotator and day change; those that stay are left out."""
    changed: dict[DayKey, Counter[str]] = {}
    for key in before.days.keys() | after.days.keys():
        sums = Counter(after.days.get(key, Counter()))
        sums.subtract(before.days.get(key, Counter()))
        moved = Counter({name: n for name, n in sums.items() if n})
        if moved:
            changed[key] = moved
    return changed
