"""Numbers for Prometheus: `/metrics`, for whoever has its token, or else for this machine alone."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app import metrics
from app.access import Rule
from app.db import Database
from app.errors import Forbidden, StorageUnavailable
from app.models.accounts import Role
from app.services import queue_depth
from app.web.visitors import SettingsDep

router = APIRouter()

DEPTH_SECONDS = 15.0
"""The depth of the queues is counted at most this often in each process."""


@dataclass(frozen=True)
class ScraperMay(Rule):
    """The rule of the metrics: PREFLOOP_METRICS_TOKEN as a bearer token where it is set, else only
    requests from this machine that no proxy has passed on. A role opens nothing."""

    def allows(self, role: Role | None) -> bool:
        return False

    def __call__(self, request: Request, settings: SettingsDep) -> None:
        if settings.metrics_token is not None:
            expected = f"Bearer {settings.metrics_token.get_secret_value()}"
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), expected.encode()):
                raise Forbidden("Metrics need PREFLOOP_METRICS_TOKEN as a bearer token.")
        elif not _comes_from_this_machine(request):
            raise Forbidden("Metrics are for this machine unless PREFLOOP_METRICS_TOKEN is set.")


def _comes_from_this_machine(request: Request) -> bool:
    if request.client is None or {"forwarded", "x-forwarded-for"} & set(request.headers):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


class QueueDepths(Collector):
    """Open comparisons of each project, counted again only after `DEPTH_SECONDS`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counted_at: float | None = None
        self._depths: dict[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        """Nothing while the database does not answer: no number is better than an old one."""
        family = GaugeMetricFamily(
            "prefloop_open_comparisons",
            "Comparisons that want a judgment and are not on lease.",
            labels=["project"],
        )
        try:
            for project, count in self._current().items():
                family.add_metric([project], count)
        except StorageUnavailable:
            return []
        return [family]

    def _current(self) -> dict[str, int]:
        with self._lock:
            now = time.monotonic()
            if self._counted_at is None or now - self._counted_at >= DEPTH_SECONDS:
                with self._database.reading() as session:
                    self._depths = queue_depth.open_comparisons(session)
                self._counted_at = now
            return self._depths


@router.get("/metrics", dependencies=[Depends(ScraperMay())])
def show_metrics(request: Request) -> Response:
    depths: QueueDepths = request.app.state.queue_depths
    return Response(metrics.exposition(depths), media_type=CONTENT_TYPE_LATEST)
