"""`prefloop serve` as real processes: several workers on one address, and how they end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.processes import is_running, poll_until
from helpers.serving import prefloop, serve

from app import migrate
from app.db import Database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A migrated SQLite database; tests/test_compose.py serves PostgreSQL in the same way."""
    database = Database(f"sqlite:///{tmp_path}/prefloop.db")
    migrate.upgrade(database)
    database.dispose()
    return database.url.render_as_string()


def test_a_request_in_flight_is_answered_before_the_workers_leave(tmp_path, database_url):
    body = b"csrf_token=none&name=nobody&password=wrong"
    head = (
        "POST /sign-in HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with serve(tmp_path, database_url, "--workers", "2") as serving:
        workers = serving.workers()
        with serving.connect() as client:
            client.sendall(head.encode())
            # The application has begun to read the form, which is not there yet.
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
            serving.process.send_signal(signal.SIGTERM)
            poll_until(lambda: not serving.accepts(), "the server to take no more connections")
            client.sendall(body)
            answer = client.recv(1000)
        code = serving.process.wait(timeout=20)

    assert answer.startswith(b"HTTP/1.1 403 "), "the form lacks the right token"
    assert code == 0
    assert len(workers) == 2
    assert [pid for pid in workers if is_running(pid)] == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_everything_without_a_word(tmp_path, database_url, workers):
    with serve(tmp_path, database_url, "--workers", workers) as serving:
        for pid in [serving.process.pid, *serving.workers()]:
            os.kill(pid, signal.SIGINT)
        code = serving.process.wait(timeout=20)

    assert code == 0
    assert len(serving.log.read_text().splitlines()) == 1, "only the line with the address"


def test_workers_are_replaced_agree_on_forms_and_never_outlive_their_parent(tmp_path, database_url):
    with serve(tmp_path, database_url, "--workers", "2") as serving:
        victim, other = serving.workers()
        os.kill(victim, signal.SIGKILL)
        poll_until(lambda: "worker replaced" in serving.log.read_text(), "the replacement")
        workers = serving.workers()
        tokens = set()

        def both_have_answered() -> bool:
            tokens.add(serving.form_token(cookie="prefloop_visitor=same"))
            return set(workers) <= serving.answering()

        poll_until(both_have_answered, "an answer of each worker")
        serving.process.kill()
        serving.process.wait(timeout=10)
        poll_until(lambda: not any(map(is_running, workers)), "the workers to end", seconds=10)

    assert len(workers) == 2
    assert other in workers
    assert victim not in workers
    assert str(victim) in serving.log.read_text()
    assert len(tokens) == 1, "without a secret key the parent makes one for all"


def test_a_worker_that_cannot_start_ends_the_server_with_its_reason(tmp_path, database_url):
    found = prefloop(
        *(database_url, "serve", "--port", "0", "--workers", "2"),
        cwd=tmp_path,
        PREFLOOP_ENVIRONMENT="production",
    )

    assert found.returncode == 1
    assert "PREFLOOP_SECRET_KEY is not set" in found.stderr
    assert "Traceback" not in found.stderr
    assert "Serving on" not in found.stderr
