"""How often a comparison is judged, and which work is planted: a project's policy, as pure rules.

The policy is stored in `Project.settings["queue"]` (all but the overlap, which is a column).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from uuid import UUID

from app.errors import InvalidInput

ONE_JUDGMENT = 0.75
"""What `posterior` says after one judgment: 1 - 1/2^2."""


@dataclass(frozen=True, kw_only=True)
class QueuePolicy:
    """Raises InvalidInput for numbers that cannot be meant."""

    overlap: int = 1
    """Judgments wanted for each comparison, each by another annotator."""
    overlap_share: float = 1.0
    """The share of comparisons, drawn at random once, that get the overlap; the others get 1."""
    overlap_by_tag: dict[str, int] = field(default_factory=dict)
    """Overlap of comparisons with a tag, instead of the above; with several tags the largest."""
    adaptive_max: int | None = None
    """Ask one more annotator while verdicts conflict, up to this many; None never asks more and
    never stops early."""
    adaptive_confidence: float = 0.95
    """Stop as soon as the posterior probability of the leading completion reaches this."""
    gold_share: float = 0.0
    """The share of an annotator's work that has a known answer."""
    repeat_share: float = 0.0
    """The share of an annotator's work that they judged before."""
    repeat_after_hours: float = 24.0
    """A repeat comes back no earlier than this."""

    def __post_init__(self) -> None:
        for name, overlap in {"Overlap": self.overlap, **self.overlap_by_tag}.items():
            if not 1 <= overlap <= 1000:
                raise InvalidInput(f"{name} is {overlap}; a comparison needs 1 to 1000 judgments.")
        for name in ("overlap_share", "gold_share", "repeat_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}; give a share from 0 to 1.")
        if self.gold_share + self.repeat_share > 0.5:
            raise InvalidInput(
                f"Gold and repeats are {self.gold_share + self.repeat_share:.0%} of the work; "
                "plan at most half."
            )
        if self.adaptive_max is not None and not self.overlap <= self.adaptive_max <= 1000:
            raise InvalidInput(
                f"The adaptive maximum is {self.adaptive_max}; "
                f"give at least the overlap ({self.overlap})."
            )
        if not 0.5 < self.adaptive_confidence < 1:
            raise InvalidInput(
                f"The adaptive confidence is {self.adaptive_confidence}; "
                "give a probability between 0.5 and 1."
            )
        if self.repeat_after_hours < 0:
            raise InvalidInput(f"Repeats come after {self.repeat_after_hours} hours; give 0 up.")

    @property
    def plants(self) -> bool:
        """Whether some of the work is gold or a repeat."""
        return self.gold_share > 0 or self.repeat_share > 0


def refuse_hasty(policy: QueuePolicy) -> None:
    """Raises InvalidInput where one judgment would decide a comparison: nobody would be asked who
    could disagree. A policy that was stored before is read all the same."""
    if policy.adaptive_max is not None and policy.adaptive_confidence <= ONE_JUDGMENT:
        raise InvalidInput(
            f"The adaptive confidence is {policy.adaptive_confidence}, which one judgment reaches, "
            f"so nobody else would be asked; give more than {ONE_JUDGMENT}, 0.95 for example."
        )


def read_policy(overlap: int, stored: dict[str, Any]) -> QueuePolicy:
    known = {f.name for f in fields(QueuePolicy)}
    return QueuePolicy(
        overlap=overlap, **{key: value for key, value in stored.items() if key in known}
    )


def write_policy(policy: QueuePolicy) -> dict[str, Any]:
    """What is stored beside the overlap."""
    return {key: value for key, value in asdict(policy).items() if key != "overlap"}


def first_target(
    policy: QueuePolicy, comparison: UUID, tags: Iterable[str], own_overlap: int | None
) -> int:
    """Judgments wanted before any is there: its own overlap, else its tags', else the draw's."""
    if own_overlap is not None:
        return own_overlap
    by_tag = [policy.overlap_by_tag[tag] for tag in tags if tag in policy.overlap_by_tag]
    if by_tag:
        return max(by_tag)
    drawn = _uniform(b"overlap", comparison.bytes) < policy.overlap_share
    return policy.overlap if drawn else 1


def target_after(
    policy: QueuePolicy,
    first: int,
    judged: int,
    votes: tuple[int, int, int, int],
    *,
    contested: bool | None = None,
) -> int:
    """Judgments wanted after `votes` = (for the first, for the second, ties, both bad).

    Fixed without `adaptive_max`. With it: stop where the posterior is clear; where the annotators
    disagree at the wanted number, ask one more. STATISTICS: under a Beta(1, 1) prior and a tie
    counting half, P(share of the leading completion > 1/2).

    contested: whether two verdicts differ, where votes do not tell: of more than two completions
    there are none, so nothing stops early and every conflict asks one more.
    """
    if policy.adaptive_max is None or judged == 0:
        return first
    if posterior(votes) >= policy.adaptive_confidence:
        return judged
    if contested is None:
        contested = max(votes) < sum(votes)
    if judged < first or not contested:
        return first
    return max(first, min(judged + 1, policy.adaptive_max))


def posterior(votes: tuple[int, int, int, int]) -> float:
    """P(a majority of annotators prefers the completion that leads | votes), 0.5 when level."""
    # Takes most of a second to import, and only adaptive projects need it.
    from scipy.special import betainc

    n_first, n_second, n_tie, n_both_bad = votes
    level = (n_tie + n_both_bad) / 2
    a, b = n_first + level + 1, n_second + level + 1
    return float(betainc(min(a, b), max(a, b), 0.5))


def planned_kind(policy: QueuePolicy, project: UUID, annotator: UUID, number: int) -> str:
    """What the annotator's lease of this number is meant to be: `normal`, `gold` or `repeat`.

    Drawn by a hash, so it survives restarts; an annotator never learns the project's id and cannot
    foresee it.
    """
    if not policy.plants:
        return "normal"
    drawn = _uniform(b"plan", project.bytes, annotator.bytes, number.to_bytes(8, "big"))
    if drawn < policy.gold_share:
        return "gold"
    return "repeat" if drawn < policy.gold_share + policy.repeat_share else "normal"


def order_in_block(annotator: UUID, comparison: UUID) -> bytes:
    """Sorts the comparisons of a block: for each annotator another shuffle, always the same."""
    return hashlib.sha256(annotator.bytes + comparison.bytes).digest()


def _uniform(*parts: bytes) -> float:
    """A number in [0, 1) that follows from the parts."""
    return int.from_bytes(hashlib.sha256(b"/".join(parts)).digest()[:8], "big") / 2**64
