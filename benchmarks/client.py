"""A light HTTP/1.1 client for benchmarks: one kept connection per simulated annotator.

It shares the machine's cores with the server that it measures, so it does as little as it can:
requests are bytes, answers are found by their length, nothing else is parsed. Small packets leave
and are acknowledged at once (TCP_NODELAY, TCP_QUICKACK): no server pays for the client's delays.
Left out: redirects, compression, TLS, pipelining.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

TIMEOUT_SECONDS = 60.0
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux only; elsewhere acknowledgements may be delayed."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: bytes
    """As they came, without the status line, each line ended by CRLF."""
    body: bytes
    first_byte_seconds: float
    seconds: float

    def header(self, name: str) -> str | None:
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        lines = (line.partition(b":") for line in self.headers.split(b"\r\n"))
        return [value.strip().decode() for key, _, value in lines if key.lower() == wanted]


class ConnectionLost(Exception):
    """The server closed the connection before its answer was whole, or took too long."""


class Connection:
    """One kept connection, opened when it is first needed and again after it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request and give its whole answer. Raises ConnectionLost."""
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method != "GET":
            lines.append(f"content-length: {len(body)}")
        request = "\r\n".join([*lines, "\r\n"]).encode() + body
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._exchange(request)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise ConnectionLost(str(error) or type(error).__name__) from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**22)
        reader, writer = self._streams
        connection: socket.socket = writer.get_extra_info("socket")
        if _QUICKACK is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first_byte = time.perf_counter()
        status, _, headers = head.partition(b"\r\n")
        lowered = headers.lower()
        body = await self._body(reader, lowered, int(status[9:12]))
        ended = time.perf_counter()
        if b"connection: close" in lowered:
            self.close()
        return Answer(int(status[9:12]), headers, body, first_byte - started, ended - started)

    async def _body(self, reader: asyncio.StreamReader, headers: bytes, status: int) -> bytes:
        if status in (204, 304):
            return b""
        _, found, rest = headers.partition(b"content-length:")
        if found:
            return await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        if b"transfer-encoding: chunked" not in headers:
            return await reader.read()
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readline()
        return b"".join(parts)
