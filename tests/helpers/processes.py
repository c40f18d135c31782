"""Processes that tests start and watch: run one beside the test, and wait a bounded time for it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

POLL_SECONDS = 0.05


def poll_until(condition: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail when it does not within the given time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(POLL_SECONDS)


def is_running(pid: int) -> bool:
    """A killed process that nobody has reaped yet (a zombie) does not count."""
    if Path("/proc/self/stat").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        command = ["ps", "-o", "stat=", "-p", str(pid)]
        state = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def wait_for_what_pages_began() -> int:
    """Work that requests to an application in this process left to others (`app/behind.py`) is
    done; how many pieces there were."""
    begun = active_children()
    for process in begun:
        process.join(60)
        assert process.exitcode == 0, f"{process.name}: exit code {process.exitcode}"
    return len(begun)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the block; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(os.environ, **environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)
