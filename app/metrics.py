"""What the server counts, for Prometheus. Labels hold routes, outcomes and project names only.

Several worker processes share their numbers through files in the folder PROMETHEUS_MULTIPROC_DIR,
which `prefloop serve` makes and removes; one process needs none. The client library reads that
variable when it is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from app.errors import PrefloopError, StorageUnavailable
from app.patience import LockedElsewhere

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
MEMORY_EVERY_SECONDS = 5.0
STATM = Path("/proc/self/statm")

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "prefloop_requests", "Requests answered.", ["route", "method", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "prefloop_request_seconds",
    "Time to answer a request.",
    ["route", "method"],
    buckets=SECONDS,
    registry=REGISTRY,
)
LEASE_SECONDS = Histogram(
    "prefloop_lease_seconds",
    "Time to give out the next comparison, with its commit.",
    ["outcome"],
    buckets=SECONDS,
    registry=REGISTRY,
)
SUBMIT_SECONDS = Histogram(
    "prefloop_submit_seconds",
    "Time to store a judgment, on pages also to give out the next comparison, with the commit.",
    ["outcome"],
    buckets=SECONDS,
    registry=REGISTRY,
)
JUDGMENTS = Counter(
    "prefloop_judgments", "Judgments stored; late: after their lease.", ["kind"], registry=REGISTRY
)
REPLAYS = Counter(
    "prefloop_replays", "Judgments sent again that were stored before.", registry=REGISTRY
)
SKIPS = Counter("prefloop_skips", "Comparisons passed on.", registry=REGISTRY)
DATABASE_ERRORS = Counter(
    "prefloop_database_errors", "Errors that the database raised.", ["kind"], registry=REGISTRY
)
MEMORY = Gauge(
    "prefloop_process_memory_bytes",
    "Memory of a process that answers requests.",
    registry=REGISTRY,
    multiprocess_mode="liveall",
)

for _kind in ("in_time", "late"):
    JUDGMENTS.labels(_kind)  # So that the series begins at 0.


def count_request(route: str, method: str, status: int | None, seconds: float) -> None:
    """`status` is None where the client went away before an answer."""
    REQUESTS.labels(route, method, "none" if status is None else str(status)).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)
    _memory.measure()


def count_database_errors(engine: Engine) -> None:
    @event.listens_for(engine, "handle_error")
    def count(context: ExceptionContext) -> None:
        DATABASE_ERRORS.labels(type(context.original_exception).__name__).inc()


def forget_process(pid: int | None) -> None:
    """What a process that ended said about itself; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


@dataclass
class Observed:
    """How something ended, filled in by whoever knows."""

    outcome: str


@contextmanager
def leasing() -> Iterator[Observed]:
    """Around the whole transaction that gives out the next comparison."""
    with _timed(LEASE_SECONDS, Observed("nothing_left")) as observed:
        yield observed


@contextmanager
def submitting() -> Iterator[Observed]:
    """Around the whole transaction that takes a judgment: counted only once it is committed."""
    with _timed(SUBMIT_SECONDS, Observed("stored")) as observed:
        yield observed
    if observed.outcome == "replayed":
        REPLAYS.inc()
    else:
        JUDGMENTS.labels("late" if observed.outcome == "late" else "in_time").inc()


def outcome_of(*, replayed: bool, late: bool) -> str:
    """What came of a judgment that was taken."""
    if replayed:
        return "replayed"
    return "late" if late else "stored"


@contextmanager
def skipping() -> Iterator[None]:
    yield
    SKIPS.inc()


@contextmanager
def _timed(histogram: Histogram, observed: Observed) -> Iterator[Observed]:
    started = time.perf_counter()
    is_over = True
    try:
        yield observed
    except LockedElsewhere:
        # It is done again by who may wait, and observed then.
        is_over = False
        raise
    except PrefloopError as error:
        observed.outcome = "failed" if isinstance(error, StorageUnavailable) else "refused"
        raise
    except BaseException:
        observed.outcome = "failed"
        raise
    finally:
        if is_over:
            histogram.labels(observed.outcome).observe(time.perf_counter() - started)


def exposition(*more: Collector) -> bytes:
    """All numbers of all workers in Prometheus' text format, with those of other collectors."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    for collector in more:
        registry.register(collector)
    return generate_latest(registry)


class _Memory:
    """Sets this process's memory now and then, at its requests, where the system tells it."""

    def __init__(self) -> None:
        self._next = 0.0

    def measure(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + MEMORY_EVERY_SECONDS
            if STATM.exists():
                MEMORY.set(int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


_memory = _Memory()
