"""Real `prefloop serve` processes on one database, which can be killed and started again."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers.processes import free_port, poll_until

ROOT = Path(__file__).parent.parent.parent
LONGEST_START = 120
WORKER = "multiprocessing.spawn"
SECRET = "a secret that only these tests use, long enough"


class Servers:
    """Several server processes, each on a port that it keeps when it is started again."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        *,
        count: int = 2,
        workers: int = 1,
        lease_seconds: int = 2,
    ) -> None:
        self._folder = folder
        self._environment = {
            "PREFLOOP_DATABASE_URL": database_url,
            "PREFLOOP_SECRET_KEY": SECRET,
            "PREFLOOP_LEASE_SECONDS": str(lease_seconds),
            "PREFLOOP_WORKERS": str(workers),
            # Everybody comes from one address here.
            "PREFLOOP_REQUESTS_PER_MINUTE": "1000000",
            "PREFLOOP_EXPORTS_DIR": str(folder / "exports"),
        }
        self.ports = [free_port() for _ in range(count)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Servers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def pids(self) -> list[int]:
        return [process.pid for process in self._running.values()]

    def start(self, **changed: str) -> None:
        """Start those that do not run, with `changed` variables, and wait until they answer."""
        environment = {**os.environ, **self._environment, **changed}
        for port in self.ports:
            if port not in self._running:
                self._running[port] = self._start_one(port, environment)
        for port in self.ports:
            poll_until(
                lambda port=port: self._answers(port),
                f"the server on port {port}",
                seconds=LONGEST_START,
            )

    def kill(self, ports: list[int] | None = None) -> None:
        """SIGKILL the servers on these ports, or all, with every process that they started."""
        for port in self.ports if ports is None else ports:
            process = self._running.pop(port)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill_one_worker(self, choose: Callable[[list[int]], int]) -> None:
        """SIGKILL a worker of the first server, which replaces it."""
        command = ["ps", "-A", "-o", "pid=,ppid=,args="]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        parent = str(self._running[self.ports[0]].pid)
        children = [line.split(maxsplit=2) for line in listed.splitlines()]
        workers = [int(pid) for pid, ppid, args in children if ppid == parent and WORKER in args]
        os.kill(choose(workers), signal.SIGKILL)

    def log(self) -> str:
        """What the servers printed, all starts together."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("server-*.log")))

    def _start_one(self, port: int, environment: dict[str, Any]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefloop", "serve", "--port", str(port)]
        with (self._folder / f"server-{port}.log").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self, port: int) -> bool:
        process = self._running[port]
        assert process.poll() is None, f"a server ended at its start:\n{self.log()[-2000:]}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
