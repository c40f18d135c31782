"""A small HTTP/1.1 client on asyncio streams, whose connections break on purpose.

Left out: redirects, TLS and chunked answers, which the load does not need.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode


class NoAnswer(Exception):
    """The request may or may not have been carried out: the connection ended before its answer."""


class Fault(StrEnum):
    """What goes wrong with one request."""

    CUT = "the connection ends in the middle of the request"
    LOST = "the connection ends after the request and before its answer"


@dataclass(frozen=True)
class Call:
    """One request, whichever server it goes to; its body is `form`, or `content` with its type."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str] | None = None
    content: tuple[str, bytes] | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    text: str

    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets."""
        pairs = (value.split(";")[0] for name, value in self.headers if name == "set-cookie")
        return dict(pair.strip().split("=", 1) for pair in pairs)

    def header(self, wanted: str) -> str | None:
        return next((value for name, value in self.headers if name == wanted), None)


class Client:
    """One tab's connections, at most one to each port; kept alive as a browser does."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def request(
        self, port: int, call: Call, *, fault: Fault | None = None, seconds: float = 30
    ) -> Answer:
        """The answer; NoAnswer where the connection breaks or `seconds` are over."""
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(port, _message(port, call), fault)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self._drop(port)
            raise NoAnswer(str(error) or type(error).__name__) from error

    def close(self) -> None:
        for port in list(self._open):
            self._drop(port)

    async def _exchange(self, port: int, message: bytes, fault: Fault | None) -> Answer:
        if port not in self._open:
            self._open[port] = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._open[port]
        writer.write(message[: len(message) - 7] if fault is Fault.CUT else message)
        await writer.drain()
        if fault is not None:
            raise ConnectionAbortedError(fault.value)
        answer = await _read_answer(reader)
        if answer.header("connection") == "close":
            self._drop(port)
        return answer

    def _drop(self, port: int) -> None:
        if port in self._open:
            _, writer = self._open.pop(port)
            with suppress(OSError):
                writer.transport.abort()


def _message(port: int, call: Call) -> bytes:
    content = call.content
    if call.form is not None:
        content = ("application/x-www-form-urlencoded", urlencode(call.form).encode())
    lines = [f"{call.method} {call.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    if content is not None:
        lines += [f"Content-Type: {content[0]}", f"Content-Length: {len(content[1])}"]
    elif call.method != "GET":
        lines.append("Content-Length: 0")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode() + (content[1] if content is not None else b"")


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = [
        (name.lower(), value.strip())
        for name, value in (line.split(":", 1) for line in head[1:] if line)
    ]
    lengths = [int(value) for name, value in headers if name == "content-length"]
    if not lengths and status != 204:
        raise ValueError(f"The answer {head[0]} has no Content-Length; this client needs one.")
    body = await reader.readexactly(lengths[0]) if lengths else b""
    return Answer(status, headers, body.decode())
