"""Our server as a user starts it, and how annotators talk to it: through pages or the JSON API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from helpers.processes import poll_until, running
from sqlalchemy import delete

from app.db import Database, utc_now
from app.models.accounts import ApiToken, SignInSession
from app.services import accounts, tokens
from app.services.credentials import hash_token
from benchmarks.client import Answer, Connection
from benchmarks.drive import Seat, Unexpected, Work
from benchmarks.machine import Processes
from benchmarks.seed import SLUG, annotator_name

_ADDRESS = re.compile(r"Serving on http://[^:]+:(\d+)")
_FORM = re.compile(rb'action="/projects/[^/]+/assignments/([0-9a-f-]{36})/judgment"')


@dataclass(frozen=True)
class Server:
    port: int
    processes: Processes


@contextmanager
def serving(prefloop: Path, database_url: str, folder: Path, *, workers: int) -> Iterator[Server]:
    """`prefloop serve` on a free port; its log is `server.log` in the folder."""
    log = folder / "server.log"
    environment = {
        "PREFLOOP_DATABASE_URL": database_url,
        "PREFLOOP_SECRET_KEY": "benchmark-" * 4,
        # Nobody who reads what they judge comes near the limit that this lifts.
        "PREFLOOP_REQUESTS_PER_MINUTE": "10000000",
        "NO_COLOR": "1",
    }
    command = [str(prefloop), "serve", "--port", "0", "--workers", str(workers)]
    with running(command, cwd=folder, environment=environment, log=log) as process:

        def listens() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended at its start: {log.read_text()}")
            return _ADDRESS.search(log.read_text()) is not None

        poll_until(listens, "the server to listen")
        found = _ADDRESS.search(log.read_text())
        assert found is not None, "it was there a moment ago"
        yield Server(int(found[1]), Processes(process.pid))


@dataclass(frozen=True)
class Credentials:
    cookie: str
    csrf_token: str


def sign_in(database: Database, names: Sequence[str]) -> list[Credentials]:
    """A session for each of these people, as after their sign-in."""
    found = []
    with database.writing() as session:
        for name in names:
            person = accounts.find_person(session, name)
            token = accounts.start_session(session, person, session_hours=12, now=utc_now())
            row = session.get_one(SignInSession, hash_token(token))
            found.append(Credentials(f"prefloop_session={token}", row.csrf_token))
    return found


class PageSeat:
    """An annotator in a browser: opens the page, then every verdict brings the next comparison."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self._connection = Connection("127.0.0.1", port)
        self._get = {"cookie": credentials.cookie, "sec-fetch-site": "same-origin"}
        self._post = {
            **self._get,
            "x-csrf-token": credentials.csrf_token,
            "hx-request": "true",
            "content-type": "application/x-www-form-urlencoded",
        }

    async def next(self) -> tuple[Answer, Work | None]:
        answer = await self._connection.send("GET", f"/projects/{SLUG}/compare", self._get)
        return answer, _work_in_page(answer)

    async def submit(self, work: Work, key: str) -> tuple[Answer, Work | None]:
        fields = {"verdict": "AB"[int(key[0], 16) % 2], "strength": "2", "idempotency_key": key}
        answer = await self._connection.send(
            "POST",
            f"/projects/{SLUG}/assignments/{work.id}/judgment",
            self._post,
            urlencode({**fields, "active_ms": "1200"}).encode(),
        )
        return answer, _work_in_page(answer)

    def close(self) -> None:
        self._connection.close()


def _work_in_page(answer: Answer) -> Work | None:
    if answer.status != 200:
        raise Unexpected(f"{answer.status}")
    form = _FORM.search(answer.body)
    return Work(form[1].decode()) if form else None


def page_seats(database: Database, server: Server, annotators: int) -> list[PageSeat]:
    names = [annotator_name(i) for i in range(annotators)]
    return [PageSeat(server.port, c) for c in sign_in(database, names)]


class ApiSeat:
    """An annotator's own program: a bearer token, one request for work and one for the verdict."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = Connection("127.0.0.1", port)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def next(self) -> tuple[Answer, Work | None]:
        path = f"/api/v1/projects/{SLUG}/assignments"
        answer = await self._connection.send("POST", path, self._headers)
        if answer.status == 204:
            return answer, None
        if answer.status != 200:
            raise Unexpected(f"{answer.status}")
        return answer, Work(json.loads(answer.body)["id"])

    async def submit(self, work: Work, key: str) -> tuple[Answer, Work | None]:
        verdict = {"verdict": "AB"[int(key[0], 16) % 2], "strength": 2, "active_ms": 1200}
        answer = await self._connection.send(
            "POST",
            f"/api/v1/assignments/{work.id}/judgment",
            self._headers,
            json.dumps({**verdict, "idempotency_key": key}).encode(),
        )
        if answer.status not in (200, 201):
            raise Unexpected(f"{answer.status}")
        return answer, None

    def close(self) -> None:
        self._connection.close()


def api_seats(database: Database, server: Server, annotators: int) -> list[ApiSeat]:
    seats = []
    with database.writing() as session:
        # Nobody may have more than a hundred of them.
        session.execute(delete(ApiToken))
        for number in range(annotators):
            person = accounts.find_person(session, annotator_name(number))
            token = tokens.create(
                session,
                person,
                by=person,
                scopes=[tokens.Scope.ANNOTATE],
                days=1,
                label="benchmark",
                now=utc_now(),
            )
            seats.append(ApiSeat(server.port, token.text))
    return seats


SEATS: dict[str, Callable[[Database, Server, int], Sequence[Seat]]] = {
    "api": api_seats,
    "pages": page_seats,
}
