"""Limits on what a body may hold: bytes, fields of a form, and how deeply JSON may be nested.

A deeply nested document is small and harmless to send, but what walks through it later may run out
of stack; so it is refused while it is read, before anything has parsed it. Python would parse
UTF-16 and UTF-32 too, in which half a character looks like a quote; so JSON has to be UTF-8.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.rules.nesting import DEEPEST

MOST_FIELDS = 200
MOST_FILES = 10

_STRUCTURE = re.compile(rb'["\\\[\]{}]')


@dataclass
class BytesAllowed:
    """How many bytes of body this request may send: `request.state.bytes_allowed`. A route that
    takes more, and counts for itself, says so before it reads."""

    most: float


class BodyLimit:
    """ASGI middleware that refuses to read a body of more bytes than are allowed."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        allowed = BytesAllowed(self.most)
        scope.setdefault("state", {})["bytes_allowed"] = allowed
        length = Headers(scope=scope).get("content-length", "")
        announced, read = int(length) if length.isdecimal() else 0, 0

        async def receive_counted() -> Message:
            nonlocal read
            if announced > allowed.most:
                raise HTTPException(413)
            message = await receive()
            read += len(message.get("body", b""))
            if read > allowed.most:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_counted, send)


class _Depth:
    """How deep the JSON is at the end of what was read so far, in pieces of any size."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped_at = -1
        self._read = 0

    def exceeds(self, piece: bytes) -> bool:
        for match in _STRUCTURE.finditer(piece):
            at, sign = self._read + match.start(), match[0]
            if self._in_text:
                if at == self._escaped_at:
                    continue
                if sign == b"\\":
                    self._escaped_at = at + 1
                elif sign == b'"':
                    self._in_text = False
            elif sign == b'"':
                self._in_text = True
            elif sign in b"[{":
                self._depth += 1
                if self._depth > DEEPEST:
                    return True
            elif sign in b"]}":
                self._depth -= 1
        self._read += len(piece)
        return False


class _Utf8:
    """Whether what was read so far, in pieces of any size, is UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def refuses(self, piece: bytes, *, is_last: bool) -> bool:
        # UTF-16 of plain letters is UTF-8 with NULs between, which JSON never holds as they are.
        if b"\0" in piece:
            return True
        try:
            self._decoder.decode(piece, final=is_last)
        except UnicodeDecodeError:
            return True
        return False


class NestingLimit:
    """ASGI middleware that refuses a JSON body nested deeper than DEEPEST, or not in UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self.app(scope, receive, send)
            return
        depth, utf8 = _Depth(), _Utf8()

        async def receive_measured() -> Message:
            message = await receive()
            if message["type"] != "http.request":
                return message
            piece, is_last = message.get("body", b""), not message.get("more_body", False)
            if utf8.refuses(piece, is_last=is_last):
                raise HTTPException(422, "the JSON is not UTF-8; send it in that encoding")
            if depth.exceeds(piece):
                raise HTTPException(
                    422, f"the JSON is nested deeper than {DEEPEST} levels; send it flatter"
                )
            return message

        await self.app(scope, receive_measured, send)


def _is_json(scope: Scope) -> bool:
    content_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return content_type == "application/json" or content_type.endswith("+json")
