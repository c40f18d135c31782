"""Whether judgments are marked late that are, and no others, by the annotators' own clock.

The server decides when a lease ends, so its mark alone could excuse anything. A lease that was
given or prolonged by a request ends `lease_seconds` after some moment between that request and its
answer, and a verdict is taken at some moment between its first try and its acknowledgement. Between
the two a mark may say either; outside of that it has to be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helpers.load_ledger import Hold, Ledger, Outcome, Sent
from helpers.load_stored import Row, Stored

PATIENCE = 1.0
"""So many seconds after its connection broke, a request may still be carried out."""


def wrong_late_marks(stored: Stored, ledger: Ledger) -> Iterator[str]:
    for row, sent in _judged(stored, ledger):
        end = _lease_end(sent, ledger)
        if end is None:
            yield f"judgment {row['id']} answers an assignment that was never handed out"
            continue
        earliest, latest = end
        if row["late"] and sent.acknowledged_at < earliest:
            seconds = earliest - sent.acknowledged_at
            yield f"judgment {row['id']} is marked late, {seconds:.3f} s before its lease could end"
        if not row["late"] and sent.first_try > latest:
            seconds = sent.first_try - latest
            yield f"judgment {row['id']} is not marked late, {seconds:.3f} s after its lease"


def surely_late(stored: Stored, ledger: Ledger) -> int:
    """How many judgments were sent when their leases were over, whoever is asked."""
    ends = [(sent, _lease_end(sent, ledger)) for _, sent in _judged(stored, ledger)]
    return sum(end is not None and sent.first_try > end[1] for sent, end in ends)


def _judged(stored: Stored, ledger: Ledger) -> Iterator[tuple[Row, Sent]]:
    """The stored judgments whose acknowledgement somebody remembers."""
    sent = {(sent.annotator_id, sent.key): sent for sent in ledger.sent}
    for row in stored.judgments:
        found = sent.get((row["annotator_id"], row["idempotency_key"]))
        if found is not None and found.outcome is Outcome.ACKNOWLEDGED:
            yield row, found


def _lease_end(sent: Sent, ledger: Ledger) -> tuple[float, float] | None:
    """Between which moments the lease ended that a verdict answers; None where there was none."""
    holds = ledger.holds.get(sent.assignment_id, [])
    before = [hold for hold in holds if hold.answered <= sent.first_try]
    if not before:
        return None
    unanswered = [
        Hold(hold.asked, hold.answered + PATIENCE)
        for hold in ledger.unanswered.get(sent.annotator_id, [])
        if hold.asked <= sent.acknowledged_at
        # A try to send a verdict prolongs no lease of its own.
        and not hold.path.endswith(f"{sent.assignment_id}/judgment")
    ]
    # Until the acknowledgement another tab may have prolonged it.
    until = [hold for hold in holds if hold.asked <= sent.acknowledged_at]
    earliest = _last([*before, *unanswered], since=max(hold.asked for hold in before))
    latest = max(hold.answered for hold in [*until, *unanswered])
    return earliest + ledger.lease_seconds, latest + ledger.lease_seconds


def _last(holds: Sequence[Hold], *, since: float) -> float:
    """When the last of these began, at the earliest: of those in work at once any may be last."""
    return min(hold.asked for hold in holds if hold.answered >= since)
