"""What the simulated annotators remember: every verdict they sent, and what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    UNKNOWN = "unknown"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass
class Sent:
    """One verdict, under one idempotency key, however often it was sent. Ids are hex."""

    annotator_id: str
    assignment_id: str
    key: str
    verdict: str
    strength: int | None
    seen: dict[str, str]
    """The text that stood on each side."""
    outcome: Outcome = Outcome.UNKNOWN
    tries: int = 0


@dataclass
class Ledger:
    sent: list[Sent] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    """Assignments whose skip was acknowledged."""
    statuses: Counter[int] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    """How often each thing of interest happened; printed at the end."""
    problems: list[str] = field(default_factory=list)
    """Answers that nobody should get."""
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def acknowledge(self, sent: Sent) -> None:
        sent.outcome = Outcome.ACKNOWLEDGED
        while self._waiting:
            self._waiting.pop().set_result(None)

    async def next_acknowledgement(self) -> None:
        """Return the moment after somebody was told that a verdict is stored."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    def acknowledged(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.outcome is Outcome.ACKNOWLEDGED]

    def summary(self) -> str:
        outcomes = Counter(str(sent.outcome) for sent in self.sent)
        tries = sum(sent.tries for sent in self.sent)
        parts = (
            f"{len(self.sent)} verdicts in {tries} tries: {dict(outcomes)}",
            f"statuses: {dict(sorted(self.statuses.items()))}",
            f"events: {dict(self.events.most_common())}",
        )
        return "\n".join(parts)
