"""Serves the web app: in this process, or in several workers that share one listening address.

The parent of several workers only watches: it replaces one that ends, and takes all with it when it
ends itself.
Workers take their settings from the environment, so nothing secret stands on a command line.
"""

from __future__ import annotations

import ctypes
import gc
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

from app.errors import InvalidInput, PrefloopError
from app.logs import configure_logs
from app.metrics import forget_process
from app.operators import operated_by
from app.settings import Settings
from prefloop.connections import Dealer, Worker

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
COLLECT_AFTER = 10_000
"""New objects that are not gone again, of which a request leaves few."""
LOOK_SECONDS = 0.3
"""How often the parent looks after its workers."""
PR_SET_PDEATHSIG = 1
STOPPING = (signal.SIGINT, signal.SIGTERM)
IDLE_SECONDS = 75
"""How long a connection stays open between two requests: annotators read before they judge."""

log = structlog.get_logger()


class WorkerFailed(PrefloopError):
    """A worker could not start; what it said stands above."""


def hold(host: str, port: int) -> socket.socket:
    """A socket that has this address and refuses connections until they are served. Raises
    InvalidInput where something else listens there."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)}). "
            "Choose another --port."
        ) from error
    return listener


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

        server = _Server(_config(_made_ready(create_app(settings)), settings), ready)
        for number in STOPPING:
            # While it runs uvicorn handles them; afterwards it raises them again, when all is done.
            signal.signal(number, lambda *_: None)
        # What visitors do is not done by whoever started the server.
        with operated_by(None):
            server.run(sockets=[listener])
        return
    config = _config("prefloop.serving:app_of_worker", settings)
    with _environment_of_workers(settings):
        _Supervisor(config, Dealer(listener, settings.workers), ready).run()


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
        timeout_keep_alive=IDLE_SECONDS,
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

        return _made_ready(create_app(settings))
    except PrefloopError as error:
        log.error("worker cannot start", reason=str(error))
    except Exception:
        log.exception("worker cannot start")
    # The code that tells the parent that another try would fail in the same way.
    sys.exit(STARTUP_FAILURE)


def _made_ready(app: FastAPI) -> FastAPI:
    """What can be done before the first request, which would wait for it.

    What is there when serving begins stays: the garbage collector need not walk over it again and
    again, while every request of the process stands still.
    """
    from app.web.pages import compile_templates

    compile_templates()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 10)
    return app


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


class _Supervisor:
    """Starts, watches and ends the workers, each of which is uvicorn's."""

    def __init__(self, config: uvicorn.Config, dealer: Dealer, ready: Callable[[], None]) -> None:
        self._config = config
        self._dealer = dealer
        self._ready = ready
        self._workers: list[Worker] = []
        self._answered: dict[int, float] = {}
        self._told_to_stop = False

    def run(self) -> None:
        for number in STOPPING:
            signal.signal(number, self._stop_soon)
        self._workers = [self._start(place) for place in range(self._config.workers)]
        try:
            if all(worker.wait_until_ready(START_SECONDS) for worker in self._workers):
                self._dealer.start()
                self._ready()
            while not self._told_to_stop:
                time.sleep(LOOK_SECONDS)
                self._replace_ended()
        finally:
            self._stop()

    def _stop_soon(self, *_: object) -> None:
        self._told_to_stop = True

    def _start(self, place: int) -> Worker:
        worker = Worker(self._config, [self._dealer.channel(place)])
        # Ctrl+C reaches the workers too, but it is for the parent to end them, also while they
        # start: a new process inherits that the signal is ignored until it handles it itself.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.start()
        signal.signal(signal.SIGINT, handler)
        self._answered[place] = time.monotonic()
        return worker

    def _is_well(self, place: int, worker: Worker) -> bool:
        """Whether it lives and has answered not long ago."""
        if worker.process.is_alive() and worker.ping(timeout=1):
            self._answered[place] = time.monotonic()
        hangs = time.monotonic() - self._answered[place] > HUNG_SECONDS
        return worker.process.is_alive() and not hangs

    def _replace_ended(self) -> None:
        for place, old in enumerate(self._workers):
            if self._told_to_stop or self._is_well(place, old):
                continue
            old.kill()
            old.join()
            if old.exitcode == STARTUP_FAILURE:
                raise WorkerFailed("A worker could not start; its message stands above.")
            new = self._workers[place] = self._start(place)
            forget_process(old.pid)
            log.error("worker replaced", worker=old.pid, exit_code=old.exitcode, by=new.pid)

    def _stop(self) -> None:
        self._dealer.stop()
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + GRACE_SECONDS + KILL_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                log.error("worker killed", worker=worker.pid)
                worker.kill()
                worker.join()
