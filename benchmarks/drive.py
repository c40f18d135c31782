"""Simulated annotators: each asks for the next comparison, thinks or does not, submits, and again.

What they talk to is behind `Seat`, so that every server is driven by the same loop. Latencies are
taken from the first byte sent to the last byte received. A request that fails is counted, and sent
again as the page's outbox would: with the same key, after a short wait.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import uvloop

from benchmarks.client import Answer, ConnectionLost

TRIES = 5
START_SECONDS = 1.0
"""People do not all start in one moment, but within this time or their first thought."""
RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """What an annotator was given; `id` is whatever the seat needs to submit a verdict on it."""

    id: str


class Unexpected(Exception):
    """The server answered something else than it should have; the message is short."""


class Seat(Protocol):
    """One annotator's place: a connection, credentials, and how this server is talked to."""

    async def next(self) -> tuple[Answer, Work | None]:
        """Ask for the next comparison; None when nothing is left. Raises Unexpected."""

    async def submit(self, work: Work, key: str) -> tuple[Answer, Work | None]:
        """Give a verdict; where the answer holds the next comparison already, gives that too."""

    def close(self) -> None: ...


@dataclass
class Driven:
    """What one drive measured."""

    annotators: int
    next_seconds: list[float] = field(default_factory=list)
    submit_seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    """Requests that failed every time."""
    wall_seconds: float = 0.0
    client_cpu_seconds: float = 0.0

    @property
    def judgments(self) -> int:
        return len(self.submit_seconds)

    @property
    def judgments_per_second(self) -> float:
        return self.judgments / self.wall_seconds

    def summary(self) -> dict[str, float]:
        return {
            "judgments": self.judgments,
            "judgments_per_second": round(self.judgments_per_second, 2),
            **_quantiles("next", self.next_seconds),
            **_quantiles("submit", self.submit_seconds),
            "errors": sum(self.errors.values()),
            "given_up": self.given_up,
            "client_cpu": round(self.client_cpu_seconds / self.wall_seconds, 3),
        }


def _quantiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    median, p95, p99 = np.quantile(seconds, [0.5, 0.95, 0.99]) * 1000
    return {
        f"{name}_median_ms": round(float(median), 2),
        f"{name}_p95_ms": round(float(p95), 2),
        f"{name}_p99_ms": round(float(p99), 2),
    }


def drive(
    make_seats: Callable[[], Sequence[Seat]],
    *,
    judgments: int,
    seconds: float,
    think_seconds: float = 0.0,
    next_every: int = 1,
) -> Driven:
    """Drive until so many judgments were begun or the time is over; work in hand is finished.

    think_seconds: mean of an exponential pause before each verdict; 0 for none.
    next_every: where an answer to a verdict holds the next comparison, ask anew only every so many.
    """
    return uvloop.run(
        _drive(make_seats, judgments, seconds, think_seconds=think_seconds, next_every=next_every)
    )


async def _drive(
    make_seats: Callable[[], Sequence[Seat]],
    judgments: int,
    seconds: float,
    *,
    think_seconds: float,
    next_every: int,
) -> Driven:
    seats = make_seats()
    driven = Driven(annotators=len(seats))
    plan = _Plan(judgments, time.perf_counter() + seconds, think_seconds, next_every)
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(
        *(_annotate(seat, plan, driven, random.Random(i)) for i, seat in enumerate(seats))
    )
    driven.wall_seconds = time.perf_counter() - started
    driven.client_cpu_seconds = time.process_time() - cpu
    for seat in seats:
        seat.close()
    return driven


@dataclass
class _Plan:
    left: int
    deadline: float
    think_seconds: float
    next_every: int

    def take(self) -> bool:
        """Whether one more judgment may begin."""
        if self.left == 0 or time.perf_counter() >= self.deadline:
            return False
        self.left -= 1
        return True


async def _annotate(seat: Seat, plan: _Plan, driven: Driven, dice: random.Random) -> None:
    work: Work | None = None
    begun = 0
    await asyncio.sleep(dice.uniform(0, plan.think_seconds or START_SECONDS))
    while plan.take():
        if work is None or begun % plan.next_every == 0:
            work = await _timed(seat.next, driven.next_seconds, driven)
            if work is None:
                return
        begun += 1
        if plan.think_seconds:
            await asyncio.sleep(dice.expovariate(1 / plan.think_seconds))
        # The key stays the same over retries.
        submit = partial(seat.submit, work, secrets.token_hex(16))
        work = await _timed(submit, driven.submit_seconds, driven)


async def _timed(
    request: Callable[[], Awaitable[tuple[Answer, Work | None]]],
    seconds: list[float],
    driven: Driven,
) -> Work | None:
    for _ in range(TRIES):
        try:
            answer, work = await request()
        except (ConnectionLost, Unexpected) as error:
            driven.errors[str(error)[:80]] += 1
            await asyncio.sleep(RETRY_SECONDS)
            continue
        seconds.append(answer.seconds)
        return work
    driven.given_up += 1
    return None
