"""Serves the web app: in this process, or in several workers that share one listening address.

The parent of several workers only watches: it replaces one that ends, and takes all with it when it
ends itself.
Workers take their settings from the environment, so nothing secret stands on a command line.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import TYPE_CHECKING

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from app.errors import InvalidInput, PrefloopError
from app.logs import configure_logs
from app.metrics import forget_process
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 10
"""Requests in flight may take this long to finish once the server was told to stop."""
KILL_SECONDS = 5
"""So much later a worker that is still there is killed."""
START_SECONDS = 120
"""A worker that does not serve by then is not waited for."""
HUNG_SECONDS = 60
"""A worker that has not answered its parent for so long is replaced."""
PR_SET_PDEATHSIG = 1

log = structlog.get_logger()


class WorkerFailed(PrefloopError):
    """A worker could not start; what it said stands above."""


def hold(host: str, port: int) -> socket.socket:
    """A socket that holds the address; connections are refused until somebody serves them.

    Raises InvalidInput where something else listens there.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        return listener
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)}). "
            "Choose another --port."
        ) from error


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings, listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve until told to stop; `ready` is called once, when requests are answered.

    Several workers read all settings but their number from the environment.
    """
    configure_logs(settings.environment)
    if settings.workers == 1:
        from app.main import create_app

        _Server(_config(create_app(settings), settings), ready).run(sockets=[listener])
        return
    with _environment_of_workers(settings):
        config = _config("prefloop.serving:app_of_worker", settings)
        supervisor = _Supervisor(config, listener, ready)
        supervisor.run()
    if supervisor.start_failed:
        raise WorkerFailed("A worker could not start; its message stands above.")


def _config(app: FastAPI | str, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        # Requests and errors are told by app/logs.py; addresses may hold an invitation's token.
        log_config=None,
        log_level="warning",
        access_log=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )


@contextmanager
def _environment_of_workers(settings: Settings) -> Iterator[None]:
    """What workers inherit from this process: their number, one form key, one folder of metrics."""
    os.environ["PREFLOOP_WORKERS"] = str(settings.workers)
    if settings.secret_key is None and settings.environment == "development":
        # A form that one worker made must be understood by the others.
        os.environ["PREFLOOP_SECRET_KEY"] = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="prefloop-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def app_of_worker() -> FastAPI:
    """The application of one worker process; called by uvicorn in that process."""
    _end_with_parent()
    settings = Settings()
    configure_logs(settings.environment)
    try:
        from app.main import create_app

        return create_app(settings)
    except PrefloopError as error:
        log.error("worker cannot start", reason=str(error))
    except Exception:
        log.exception("worker cannot start")
    # The code that tells the parent that another try would fail in the same way.
    sys.exit(STARTUP_FAILURE)


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on holding the address."""
    parent = parent_process()
    assert parent is not None, "workers are started by the supervisor"
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    watch = threading.Thread(target=_watch_parent, args=[parent.pid], daemon=True)
    watch.start()


def _watch_parent(parent_pid: int) -> None:
    """For systems without a signal at the parent's death, and for a parent that died before it."""
    while os.getppid() == parent_pid:
        time.sleep(1)
    os._exit(1)


class _Server(uvicorn.Server):
    """A server of one process that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _Supervisor(Multiprocess):
    """Starts, watches and ends the workers."""

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, ready: Callable[[], None]
    ) -> None:
        super().__init__(config, [listener])
        self._ready = ready

    @property
    def start_failed(self) -> bool:
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START_SECONDS) for process in self.processes):
            self._ready()

    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if old is not new:
                forget_process(old.pid)
                log.error("worker replaced", worker=old.pid, exit_code=old.exitcode, by=new.pid)

    def terminate_all(self) -> None:
        # Held open here, it would take connections that nobody answers.
        self.sockets[0].close()
        super().terminate_all()

    def join_all(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS + KILL_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            if process.process.is_alive():
                log.error(
                    "worker killed", worker=process.pid, after_seconds=GRACE_SECONDS + KILL_SECONDS
                )
                process.kill()
                process.join()
