"""What the server writes to its log, and the one line it writes for each request.

A line names the route's pattern, never the address: that may hold an invitation's token. Nothing of
a request's query, headers, cookies or body is logged. Tracebacks show types and places, without
values and without the errors' own messages, because those repeat what was sent.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TextIO
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from app.metrics import count_request

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def configure_logs(environment: str) -> None:
    """Sends every log line of this process to standard error: JSON in production, else text."""
    final: list[Processor] = (
        [_traceback_as_text, structlog.processors.JSONRenderer()]
        if environment == "production"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=_write_traceback
            )
        ]
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_pid,
    ]
    # Our own lines are written directly, which takes a third of the time: there is one a request.
    structlog.configure(
        processors=[*shared, *final],
        logger_factory=partial(_Lines, sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_is_not_told_already)
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)


class _Lines(structlog.WriteLogger):
    """Lines on standard error. One that cannot be written, to a full disk for example, is lost
    without a word: the request that it tells of goes on."""

    def __init__(self, file: TextIO, *_: object) -> None:
        super().__init__(file)

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = msg


def traceback_of(error: BaseException) -> str:
    """Where an error came from and what it followed, newest first: types and places only."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        kind = type(link)
        frames = traceback.extract_tb(link.__traceback__)
        places = "".join(f"  {f.filename}:{f.lineno} in {f.name}\n" for f in frames)
        parts.append(f"{kind.__module__}.{kind.__qualname__}\n{places}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "after ".join(parts).rstrip()


class RequestLog:
    """ASGI middleware: gives each request an id, and counts and logs how it was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex
        # Also for the page of an unexpected error, which is made outside of every middleware.
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        started = time.perf_counter()
        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            # The handler of unexpected errors, outside of every middleware, answers so.
            _report(scope, 500, started)
            raise
        _report(scope, status, started)


def _report(scope: Scope, status: int | None, started: float) -> None:
    seconds = time.perf_counter() - started
    route = route_pattern(scope)
    method = scope["method"] if scope["method"] in METHODS else "other"
    count_request(route, method, status, seconds)
    fields = {
        "route": route,
        "method": method,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    if route == "/static":
        log.debug("request", **fields)
    else:
        log.info("request", **fields)


def route_pattern(scope: Scope) -> str:
    """Such as `/projects/{slug}/compare`: what the address matched, without what filled it."""
    if scope.get("root_path", "").endswith("/static"):
        return "/static"
    path: str = getattr(scope.get("route"), "path", "no route")
    return path


def _add_pid(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["pid"] = os.getpid()
    return event


def _traceback_as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = _error_in(event.pop("exc_info", None))
    if error is not None:
        event["traceback"] = traceback_of(error)
    return event


def _write_traceback(output: TextIO, exc_info: ExcInfo) -> None:
    output.write("\n" + traceback_of(exc_info[1]))


def _error_in(
    exc_info: BaseException | tuple[type, BaseException, TracebackType] | bool | None,
) -> BaseException | None:
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exc_info()[1] if exc_info is True else (exc_info or None)


def _is_not_told_already(record: logging.LogRecord) -> bool:
    """uvicorn repeats an unexpected error that app/web/errors.py has told."""
    return not (record.name == "uvicorn.error" and str(record.msg).startswith("Exception in ASGI"))
