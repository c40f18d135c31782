"""`prefloop serve` as real processes: several workers on one address, and how they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.postgres import PostgresServer
from helpers.processes import is_running, poll_until
from helpers.serving import migrate, prefloop, serve


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
    found = prefloop(
        *(sqlite_url, "serve", "--port", "0", "--workers", "2"),
        cwd=tmp_path,
        PREFLOOP_ENVIRONMENT="production",
    )

    assert found.returncode == 1
    assert "PREFLOOP_SECRET_KEY is not set" in found.stderr
    assert "Traceback" not in found.stderr
    assert "Serving on" not in found.stderr
