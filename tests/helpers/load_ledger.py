"""What the simulated annotators remember: every verdict they sent, and what became of it.

Times are seconds since 1970 by this process's clock, which is the servers' clock too: a server does
its work between the moment a request is sent and the moment its answer is there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

# What every race of at least 34 people has: these have every habit, on either door.
HAPPENS = (
    *("vanished", "waited too long", "gone for good", "kept on lease", "skipped"),
    *("sent again after its answer", "sent twice at once", "replayed", "refused in another tab"),
    *("cut", "lost", "impatient", "stored without an answer", "signed in again"),
)


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
    first_try: float = 0.0
    acknowledged_at: float = 0.0
    """When the first answer was there that said so."""
    created: int = 0
    """Answers that called it new; only the API says whether it is."""


@dataclass(frozen=True)
class Hold:
    """A request that may have reserved a comparison, or gone on reserving it."""

    asked: float
    answered: float
    path: str = ""
    """Of the request, where it had no answer and may have reserved anything."""


@dataclass
class Ledger:
    lease_seconds: float
    sent: list[Sent] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    """Assignments whose skip was acknowledged."""
    statuses: Counter[int] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    """How often each thing of interest happened; printed at the end."""
    holds: defaultdict[str, list[Hold]] = field(default_factory=lambda: defaultdict(list))
    """By assignment: the answers that gave it, and the heartbeats that were taken."""
    unanswered: defaultdict[str, list[Hold]] = field(default_factory=lambda: defaultdict(list))
    """By annotator: requests whose connection broke, until then."""
    problems: list[str] = field(default_factory=list)
    """Answers that nobody should get."""
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def acknowledge(self, sent: Sent) -> None:
        if sent.outcome is Outcome.ACKNOWLEDGED:
            self.events["replayed"] += 1
        else:
            sent.outcome, sent.acknowledged_at = Outcome.ACKNOWLEDGED, time.time()
        while self._waiting:
            waiting = self._waiting.pop()
            # Who waited for something else too may have gone.
            if not waiting.done():
                waiting.set_result(None)

    async def next_acknowledgement(self) -> None:
        """Return the moment after somebody was told that a verdict is stored."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    def acknowledged(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.outcome is Outcome.ACKNOWLEDGED]

    def missing(self) -> list[str]:
        """What ought to have happened and did not: a run without it proves less than it says."""
        return [event for event in HAPPENS if not self.events[event]]

    def summary(self) -> str:
        outcomes = Counter(str(sent.outcome) for sent in self.sent)
        tries = sum(sent.tries for sent in self.sent)
        parts = (
            f"{len(self.sent)} verdicts in {tries} tries: {dict(outcomes)}",
            f"statuses: {dict(sorted(self.statuses.items()))}",
            f"events: {dict(self.events.most_common())}",
        )
        return "\n".join(parts)
