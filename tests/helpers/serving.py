"""`prefloop serve` as a real process, and other commands beside it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from helpers.processes import poll_until, running

ROOT = Path(__file__).parent.parent.parent
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

    def answering(self) -> set[int]:
        """The processes that have told of a request."""
        told = re.findall(r"\brequest .*\bpid=(\d+)", self.log.read_text())
        return set(map(int, told))

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
        with urlopen(request, timeout=60) as answer:
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


def prefloop(
    database_url: str, *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One command of the command line, on this database."""
    settings = {"PREFLOOP_DATABASE_URL": database_url, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "prefloop", *arguments],
        cwd=cwd,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
