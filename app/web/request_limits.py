"""How often anybody may send requests: generous for people, and an end to what a script can do.

Counted in this process's memory, because a count in the database would cost more than the requests
that it saves. Each process allows the whole number: a browser or program that keeps its connection
stays with one worker and must get what was promised; who opens many can get it from every worker.
What must be counted exactly (`services/rate_limits.py`) is in the database.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter

from fastapi import Request

from app.errors import TooManyRequests
from app.services.rate_limits import network_of
from app.settings import Settings
from app.web.visitors import Visitor, address_of, bearer_token

STRANGERS_SHARE = 4
"""Who is not signed in gets one of so many parts of a person's limit."""
PEOPLE_BEHIND_AN_ADDRESS = 10
"""Tokens that nobody has looked at yet count for their address too, as so many people."""
UNCOUNTED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What a load balancer asks from the address through which everybody comes."""


class RequestLimiter:
    """Counts of the current minute. Used by the event loop alone, so it needs no lock."""

    def __init__(self, settings: Settings) -> None:
        self._per_minute = settings.requests_per_minute
        self._minute = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, kind: str, who: str, people: float = 1) -> None:
        """Count one request. Raises TooManyRequests where the minute is used up."""
        minute, second = divmod(time.time(), 60)
        if minute != self._minute:
            self._minute, self._counts = int(minute), Counter()
        self._counts[kind, who] += 1
        if self._counts[kind, who] > max(1, math.floor(self._per_minute * people)):
            raise TooManyRequests(
                "Too many requests in one minute; wait a moment and try again.",
                retry_after_seconds=math.ceil(60 - second),
            )


def limit_requests(request: Request, visitor: Visitor) -> None:
    """Count the request for the person, the token or the address that it comes from."""
    if request.url.path in UNCOUNTED:
        return
    limiter: RequestLimiter = request.app.state.request_limiter
    token = bearer_token(request)
    if visitor.annotator is not None:
        limiter.count("person", str(visitor.annotator.id))
    elif token is not None:
        limiter.count(
            "address of tokens", network_of(address_of(request)), PEOPLE_BEHIND_AN_ADDRESS
        )
        limiter.count("token", hashlib.sha256(token.encode()).hexdigest())
    else:
        limiter.count("address", network_of(address_of(request)), 1 / STRANGERS_SHARE)
