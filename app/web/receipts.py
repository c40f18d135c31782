"""The mark by which a page knows that an answer is the server's own word on what an annotator sent.

A proxy answers 404 or 502 while the server restarts, and a hotel's network answers 200 with a page
of its own. So no status alone may end the life of a verdict in the browser: only an answer that
carries this header does.
"""

from __future__ import annotations

from enum import StrEnum

from fastapi import Request, Response

HEADER = "X-Prefloop-Judgment"
FINAL = frozenset({404, 409, 422})
"""Statuses with which the server says that sending the same again is of no use. A sign-in that has
ended, a page that is out of date, a limit or a database that is away will pass."""


class Receipt(StrEnum):
    STORED = "stored"
    REPLAYED = "replayed"
    SKIPPED = "skipped"
    FLAGGED = "flagged"
    REFUSED = "refused"


def mark(response: Response, receipt: Receipt) -> Response:
    response.headers[HEADER] = receipt
    return response


def mark_refusal(request: Request, response: Response) -> Response:
    """Mark an answer to an error, where its route took what an annotator sent and it is final."""
    path: str = getattr(request.scope.get("route"), "path", "")
    takes = path.endswith(("/judgment", "/skip", "/flag"))
    return mark(response, Receipt.REFUSED) if takes and response.status_code in FINAL else response
