"""How long an admin waits for each page of a large project."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from app.db import Database, utc_now
from app.services import projects
from app.services import statistics as judged
from benchmarks.client import Answer, Connection
from benchmarks.ours import Credentials, serving, sign_in
from benchmarks.seed import ADMIN, SLUG

PAGES = (
    "overview",
    "agreement",
    "agreement?by=tag&figure=alpha",
    "agreement?by=sources",
    "annotators",
    "annotators?sort=agreement",
    "annotators/matrix",
    "leaderboard",
    "planning",
    "triage",
    "comparisons",
    "comparisons?show=judged",
    "comparisons?show=open",
    "comparisons?show=contested",
    "comparisons?show=flagged",
    "comparisons?page=40000",
)


@dataclass(frozen=True)
class PageTimes:
    """Seconds to the whole page, and of the warm ones to its first byte."""

    page: str
    cold: float
    """The first request of a server that has just started."""
    warm: float
    warm_first_byte: float
    kilobytes: float


def measure(
    prefloop: Path, url: str, *, repeats: int, pages: Sequence[str] = PAGES
) -> list[PageTimes]:
    database = Database(url)
    (admin,) = sign_in(database, [ADMIN])
    # As after somebody's look; what drives left to be folded would be folded beside the first page.
    with database.reading() as session:
        project_id = projects.by_slug(session, SLUG).id
    judged.catch_up(database, project_id, now=utc_now())
    database.dispose()
    return [_measure_page(prefloop, url, admin, page, repeats) for page in pages]


def _measure_page(
    prefloop: Path, url: str, admin: Credentials, page: str, repeats: int
) -> PageTimes:
    with (
        tempfile.TemporaryDirectory(prefix="prefloop-bench-") as folder,
        serving(prefloop, url, Path(folder), workers=1) as server,
    ):
        cold, *warm = uvloop.run(_get(server.port, f"/admin/{SLUG}/{page}", admin, 1 + repeats))
    return PageTimes(
        page=page,
        cold=cold.seconds,
        warm=statistics.median(answer.seconds for answer in warm),
        warm_first_byte=statistics.median(answer.first_byte_seconds for answer in warm),
        kilobytes=len(cold.body) / 1024,
    )


async def _get(port: int, path: str, admin: Credentials, times: int) -> list[Answer]:
    connection = Connection("127.0.0.1", port)
    answers = [await connection.send("GET", path, {"cookie": admin.cookie}) for _ in range(times)]
    connection.close()
    for answer in answers:
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}.")
    return answers
