"""`prefloop serve` as real processes: several workers on one address, and how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from helpers.postgres import PostgresServer
from helpers.processes import is_running, poll_until, running

ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "prefloop", "serve", "--port", "0"]


@dataclass(frozen=True)
class Serving:
    """A running `prefloop serve`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str | None:
        found = re.search(r"Serving on (http://127\.0\.0\.1:\d+) ", self.log.read_text())
        return found[1] if found else None

    def workers(self) -> list[int]:
        command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = (row.split(maxsplit=2) for row in found.splitlines())
        return [
            int(pid)
            for pid, parent, args in rows
            if int(parent) == self.process.pid and "spawn_main" in args
        ]

    def connect(self) -> socket.socket:
        assert self.address is not None
        return socket.create_connection(("127.0.0.1", int(self.address.rpartition(":")[2])), 10)

    def accepts(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def form_token(self, *, cookie: str) -> str:
        request = Request(f"{self.address}/sign-in", headers={"Cookie": cookie})
        with urlopen(request, timeout=10) as answer:
            found = re.search(r'"X-CSRF-Token": "([^"]*)"', answer.read().decode())
        assert found is not None
        return found[1]

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urlopen(f"{self.address}{path}", timeout=10) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False


@contextmanager
def serve(folder: Path, database_url: str, *options: str, **environment: str) -> Iterator[Serving]:
    """`prefloop serve` on a migrated database; yields once it has said its address."""
    settings = {"PREFLOOP_DATABASE_URL": database_url, "PYTHONPATH": str(ROOT), **environment}
    log = folder / "serve.log"
    with running([*SERVE, *options], cwd=folder, environment=settings, log=log) as process:
        serving = Serving(process, log)

        def has_started() -> bool:
            assert process.poll() is None, log.read_text()
            return serving.address is not None

        poll_until(has_started, "the server to say its address", seconds=60)
        yield serving


def migrate(database_url: str) -> str:
    command = [sys.executable, "-m", "prefloop", "db", "upgrade"]
    environment = os.environ | {"PREFLOOP_DATABASE_URL": database_url, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return database_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield migrate(f"sqlite:///{tmp_path}/prefloop.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    yield migrate(server.create_database("serving"))
    server.drop_database("serving")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return migrate(f"sqlite:///{tmp_path}/prefloop.db")


def test_two_workers_share_an_address_and_leave_with_their_parent(tmp_path, database_url):
    with serve(tmp_path, database_url, "--workers", "2") as serving:
        workers = serving.workers()
        ready = serving.answers("/readyz")
        serving.process.send_signal(signal.SIGTERM)
        code = serving.process.wait(timeout=20)

    assert len(workers) == 2
    assert ready
    assert code == 0
    assert [pid for pid in workers if is_running(pid)] == []


def test_a_killed_worker_is_replaced_and_the_log_says_so(tmp_path, sqlite_url):
    with serve(tmp_path, sqlite_url, "--workers", "2") as serving:
        victim, other = serving.workers()
        os.kill(victim, signal.SIGKILL)
        poll_until(lambda: "worker replaced" in serving.log.read_text(), "the replacement")
        poll_until(lambda: len(serving.workers()) == 2, "two workers again")
        answered = serving.answers()

        assert answered
        assert victim not in serving.workers()
        assert other in serving.workers()
    assert str(victim) in serving.log.read_text()


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path, sqlite_url):
    with serve(tmp_path, sqlite_url, "--workers", "2") as serving:
        workers = serving.workers()
        serving.process.kill()
        serving.process.wait(timeout=10)
        poll_until(lambda: not any(map(is_running, workers)), "the workers to end", seconds=10)

    assert len(workers) == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_request_in_flight_is_answered_before_the_server_stops(tmp_path, sqlite_url, workers):
    body = b"csrf_token=none&name=nobody&password=wrong"
    head = (
        "POST /sign-in HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with serve(tmp_path, sqlite_url, "--workers", workers) as serving:
        with serving.connect() as client:
            client.sendall(head.encode())
            # The application has begun to read the form, which is not there yet.
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
            serving.process.send_signal(signal.SIGTERM)
            poll_until(lambda: not serving.accepts(), "the server to take no more connections")
            client.sendall(body)
            answer = client.recv(1000)
        serving.process.wait(timeout=20)

    assert answer.startswith(b"HTTP/1.1 403 "), "the form lacks the right token"


def test_the_form_of_one_worker_is_taken_by_the_other_without_a_secret_key(tmp_path, sqlite_url):
    with serve(tmp_path, sqlite_url, "--workers", "2") as serving:
        tokens = {serving.form_token(cookie="prefloop_visitor=same") for _ in range(2)}
        first = serving.workers()[0]
        os.kill(first, signal.SIGSTOP)
        tokens |= {serving.form_token(cookie="prefloop_visitor=same")}
        os.kill(first, signal.SIGCONT)

    assert len(tokens) == 1


def test_a_worker_that_cannot_start_ends_the_server_with_its_reason(tmp_path, sqlite_url):
    settings = {"PREFLOOP_DATABASE_URL": sqlite_url, "PREFLOOP_ENVIRONMENT": "production"}
    found = subprocess.run(
        [*SERVE, "--workers", "2"],
        env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert found.returncode == 1
    assert "PREFLOOP_SECRET_KEY is not set" in found.stderr
    assert "Traceback" not in found.stderr
    assert "Serving on" not in found.stderr
