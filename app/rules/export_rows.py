"""The rows of an export bundle, from what the database holds."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from math import comb
from typing import Any
from uuid import UUID

from app.rules.preferences import aggregate
from app.rules.soft_labels import Reliability, soft_label

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A completion of a comparison."""

    id: UUID
    text: str
    source: str | None


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A judgment that counts."""

    id: UUID
    annotator_id: UUID
    verdict: str
    preferred_id: UUID | None
    strength: int | None
    ranking: Sequence[Sequence[UUID]] | None = None
    """Groups of completions, the best first."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a reviewer decided of a comparison."""

    outcome: str
    preferred_id: UUID | None
    cause: str | None
    blind: bool | None
    """Whether the reviewer had not seen the judgments; None where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class JudgedComparison:
    """A comparison with its completions, in canonical order, and its votes, oldest first."""

    id: UUID
    prompt_id: UUID
    messages: Sequence[Mapping[str, str]]
    tags: Sequence[str]
    members: Sequence[Member]
    votes: Sequence[Vote]
    decision: Decision | None = None


def aggregated_rows(
    comparison: JudgedComparison, reliable: Reliability[UUID], *, keep_ties: bool
) -> list[Row]:
    """One row for each pair that a judgment says something of: `chosen` is the completion that
    annotators prefer, weighed by how reliable they are.

    A pair of probability 0.5 gives no row, or with keep_ties one whose `chosen` is the first
    completion.
    """
    rows = []
    for first, second in combinations(comparison.members, 2):
        votes = [vote for vote in comparison.votes if _is_of(vote, first, second)]
        if votes:
            row = _aggregated_row(comparison, first, second, votes, reliable)
            if keep_ties or row["probability"] != 0.5:
                rows.append(row)
    return rows


def _aggregated_row(
    comparison: JudgedComparison,
    first: Member,
    second: Member,
    votes: Sequence[Vote],
    reliable: Reliability[UUID],
) -> Row:
    better = [(vote, _better(vote, first, second)) for vote in votes]
    for_first, for_second, for_none = (
        [vote.annotator_id for vote, found in better if found == wanted]
        for wanted in (first.id, second.id, None)
    )
    result = aggregate(len(for_first), len(for_second), len(for_none))
    label = soft_label(for_first, for_second, for_none, reliable)
    first_wins = label.preferred >= 0.5
    chosen, rejected = (first, second) if first_wins else (second, first)
    strengths = [vote.strength for vote, found in better if found == chosen.id and vote.strength]
    return _row(
        comparison,
        (chosen, rejected),
        group=comparison.id,
        probability=_of_chosen(label.preferred, first_wins),
        p_votes=_of_chosen(result.first_probability, first_wins),
        p_truth=_of_chosen(label.true, first_wins),
        strength=sum(strengths) / len(strengths) if strengths else None,
        judgments=result.votes,
        agreement=result.agreement,
    )


def judgment_rows(comparison: JudgedComparison, *, keep_ties: bool) -> list[Row]:
    """One row for each pair that a judgment orders; with keep_ties also for those that it does
    not, of probability 0.5."""
    rows = []
    for vote in comparison.votes:
        for first, second in combinations(comparison.members, 2):
            better = _better(vote, first, second)
            if not _is_of(vote, first, second) or (better is None and not keep_ties):
                continue
            rows.append(
                _row(
                    comparison,
                    (second, first) if better == second.id else (first, second),
                    group=vote.id,
                    probability=0.5 if better is None else 1.0,
                    p_votes=None,
                    p_truth=None,
                    strength=float(vote.strength) if vote.strength else None,
                    judgments=1,
                    agreement=None,
                )
            )
    return rows


def is_slight(row: Row) -> bool:
    """Whether those who prefer what is chosen find it slightly better on the whole, as of a mean
    strength that rounds to 1. A row without a strength is not known to be."""
    strength = row["strength"]
    return strength is not None and bool(strength < 1.5)


def _is_of(vote: Vote, first: Member, second: Member) -> bool:
    """Whether a judgment says something of two completions: one that only prefers a third one does
    not."""
    return vote.preferred_id in (None, first.id, second.id)


def _better(vote: Vote, first: Member, second: Member) -> UUID | None:
    """Which of two completions a judgment puts before the other; None where neither."""
    if vote.ranking is None:
        return vote.preferred_id
    upper = next(group for group in vote.ranking if first.id in group or second.id in group)
    better = [member.id for member in (first, second) if member.id in upper]
    return better[0] if len(better) == 1 else None


def _row(
    comparison: JudgedComparison,
    pair: tuple[Member, Member],
    *,
    group: UUID,
    probability: float,
    p_votes: float | None,
    p_truth: float | None,
    strength: float | None,
    judgments: int,
    agreement: float | None,
) -> Row:
    """`pair` is the chosen completion and the rejected one."""
    chosen, rejected = pair
    return {
        "prompt": [dict(message) for message in comparison.messages],
        "chosen": [{"role": "assistant", "content": chosen.text}],
        "rejected": [{"role": "assistant", "content": rejected.text}],
        "probability": probability,
        "p_votes": p_votes,
        "p_truth": p_truth,
        "strength": strength,
        "judgments": judgments,
        "agreement": agreement,
        "adjudicated": _adjudicated(comparison.decision, chosen, rejected),
        "cause": comparison.decision.cause if comparison.decision else None,
        "adjudicated_blind": comparison.decision.blind if comparison.decision else None,
        # So that a comparison of K weighs as one, however many pairs it has (InstructGPT, eq. 1).
        "weight": 1 / comb(len(comparison.members), 2),
        "group_id": str(group),
        "comparison_id": str(comparison.id),
        "prompt_id": str(comparison.prompt_id),
        "chosen_id": str(chosen.id),
        "rejected_id": str(rejected.id),
        "chosen_source": chosen.source,
        "rejected_source": rejected.source,
        "tags": list(comparison.tags),
    }


def _of_chosen(of_first: float, first_wins: bool) -> float:
    """Rounded, because 1 - 0.8 is not 0.2 but nearly."""
    return of_first if first_wins else round(1 - of_first, 12)


def _adjudicated(decision: Decision | None, chosen: Member, rejected: Member) -> str | None:
    """`chosen` or `rejected`, whichever the reviewer preferred; else the outcome, and None where a
    third completion was preferred. The reviewer does not change the probability, which is that of
    annotators."""
    if decision is None or decision.preferred_id is None:
        return decision.outcome if decision else None
    if decision.preferred_id == chosen.id:
        return "chosen"
    return "rejected" if decision.preferred_id == rejected.id else None


def pseudonym(project_id: UUID, annotator_id: UUID) -> str:
    """The same person in every export of a project, and another name in every other project."""
    digest = hashlib.sha256(project_id.bytes + annotator_id.bytes).hexdigest()
    return f"annotator-{digest[:12]}"


def iso(moment: datetime | None) -> str | None:
    """A time as UTC with microseconds, the same text from every database."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None
