"""From verdicts to preference rows: pairs of one judgment, and the aggregate of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from uuid import UUID


def preference_pairs(
    completions: Sequence[UUID], preferred: UUID | None, ranking: Sequence[Sequence[UUID]] | None
) -> list[tuple[UUID, UUID]]:
    """The (chosen, rejected) pairs that a verdict implies.

    A preferred completion beats every other; a ranking (best group first) gives a pair for every
    two completions in different groups; a tie or both_bad gives none.
    """
    if preferred is not None:
        return [(preferred, other) for other in completions if other != preferred]
    if ranking is None:
        return []
    return [
        (better, worse)
        for upper, lower in combinations(ranking, 2)
        for better in upper
        for worse in lower
    ]


def ids_of(ranking: Sequence[Sequence[str]] | None) -> list[list[UUID]] | None:
    """A ranking as it is stored, with the ids that its texts stand for."""
    if ranking is None:
        return None
    return [[UUID(hex=completion) for completion in group] for group in ranking]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """What the votes on a pair of completions say together."""

    first_probability: float
    """Probability that a random annotator prefers the first completion."""
    votes: int
    agreement: float | None
    """Share of pairs of annotators who gave the same vote; None with fewer than two votes."""


def aggregate(first: int, second: int, ties: int) -> Aggregate:
    """Vote share under a symmetric Beta(1, 1) prior, a tie counting half for each side.

    p = (first + ties / 2 + 1) / (n + 2). Raises ValueError without votes.
    """
    votes = first + second + ties
    if votes == 0:
        raise ValueError("a pair without votes has no aggregate")
    same = sum(k * (k - 1) for k in (first, second, ties))
    return Aggregate(
        first_probability=(first + ties / 2 + 1) / (votes + 2),
        votes=votes,
        agreement=same / (votes * (votes - 1)) if votes > 1 else None,
    )
