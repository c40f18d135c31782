"""The driver against a real server, and what it makes of servers that misbehave."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.db import Database, utc_now
from benchmarks import checks, ours
from benchmarks.client import Answer, Connection, ConnectionLost
from benchmarks.drive import Driven, Unexpected, Work, drive
from benchmarks.seed import seed

PREFLOOP = Path(sys.executable).parent / "prefloop"


def test_annotators_judge_over_http_and_the_database_agrees(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/prefloop.db"
    seed(make_url(url), comparisons=60)
    database = Database(url)
    with ours.serving(PREFLOOP, url, tmp_path, workers=1) as server:
        for through in ours.SEATS:
            since = utc_now()
            seats = partial(ours.SEATS[through], database, server, 4)
            driven = drive(seats, judgments=20, seconds=60, next_every=5)
            assert driven.judgments == 20
            assert not driven.errors
            problems = checks.look(database, since=since).problems(acknowledged=20, held=4)
            assert problems == []
        assert server.processes.memory_mb() > 10
        assert server.processes.cpu_seconds() > 0
    database.dispose()


class FailingSeat:
    """Refuses the first requests, then has two pieces of work."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.left = 2
        self.keys: list[str] = []

    async def next(self) -> tuple[Answer, Work | None]:
        self.left -= 1
        return ANSWER, Work("work") if self.left >= 0 else None

    async def submit(self, work: Work, key: str) -> tuple[Answer, Work | None]:
        self.keys.append(key)
        if self.refusals:
            self.refusals -= 1
            raise Unexpected("503")
        return ANSWER, None

    def close(self) -> None:
        pass


ANSWER = Answer(200, b"", b"", 0.001, 0.002)


def test_a_failed_submit_is_counted_and_sent_again_with_its_key(monkeypatch):
    monkeypatch.setattr("benchmarks.drive.RETRY_SECONDS", 0)
    seat = FailingSeat(refusals=2)

    driven = drive(lambda: [seat], judgments=10, seconds=60)

    assert driven.errors == {"503": 2}
    assert driven.judgments == 2, "then nothing is left"
    assert len(seat.keys) == 4
    assert len(set(seat.keys)) == 2


def test_a_submit_that_always_fails_is_given_up_and_no_judgment(monkeypatch):
    monkeypatch.setattr("benchmarks.drive.RETRY_SECONDS", 0)

    driven = drive(lambda: [FailingSeat(refusals=5)], judgments=1, seconds=60)

    assert (driven.judgments, driven.given_up) == (0, 1)


def test_percentiles_are_those_of_the_latencies_in_milliseconds():
    driven = Driven(annotators=1, wall_seconds=2, submit_seconds=[i / 1000 for i in range(1, 102)])

    summary = driven.summary()

    assert summary["judgments_per_second"] == 50.5
    assert (summary["submit_median_ms"], summary["submit_p95_ms"]) == (51, 96)
    assert "next_median_ms" not in summary, "there was none"


def test_what_breaks_an_invariant_is_said():
    found = checks.Found(stored=9, beyond_overlap=1, leased=3)

    assert found.problems(acknowledged=10, held=2) == [
        "10 judgments acknowledged, 9 stored",
        "1 judgments beyond the overlap",
        "3 leases left behind",
    ]


def answered(reply: bytes, use: Callable[[Connection], Awaitable[None]]) -> None:
    """Run `use` against a server that sends this reply to every request and closes after it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            await use(connection)
        finally:
            connection.close()
            server.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhello",
    ],
    ids=["length", "chunked", "until closed"],
)
def test_the_client_finds_the_end_of_an_answer(reply: bytes):
    async def use(connection: Connection) -> None:
        answer = await connection.send("GET", "/", {})
        assert (answer.status, answer.body) == (200, b"hello")

    answered(reply, use)


def test_an_answer_that_is_cut_off_is_a_lost_connection():
    async def use(connection: Connection) -> None:
        with pytest.raises(ConnectionLost):
            await connection.send("GET", "/", {})

    answered(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", use)
