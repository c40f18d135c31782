"""Limits on what a body may hold: fields of a form, and how deeply JSON may be nested.

How many bytes it may have is the middleware's of `app/main.py`. A deeply nested document is small
and harmless to send, but what walks through it later may run out of stack; so it is refused while
it is read, before anything has parsed it.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_FIELDS = 200
MOST_FILES = 10
DEEPEST = 32

_STRUCTURE = re.compile(rb'["\\\[\]{}]')


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


class NestingLimit:
    """ASGI middleware that refuses a JSON body nested deeper than DEEPEST."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self.app(scope, receive, send)
            return
        depth = _Depth()

        async def receive_measured() -> Message:
            message = await receive()
            if message["type"] == "http.request" and depth.exceeds(message.get("body", b"")):
                raise HTTPException(
                    422, f"the JSON is nested deeper than {DEEPEST} levels; send it flatter"
                )
            return message

        await self.app(scope, receive_measured, send)


def _is_json(scope: Scope) -> bool:
    content_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return content_type == "application/json" or content_type.endswith("+json")
