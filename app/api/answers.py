"""How answers are made and described. The description is ours, not derived from checking each
answer, so a test sends requests of every kind and holds the answers against it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from app.api.schemas import ErrorAnswer
from app.rules.export_rows import iso
from app.services.assignments import AssignmentView

NDJSON = "application/x-ndjson"
Responses = dict[int | str, dict[str, Any]]

_ERRORS = {
    401: "The token is missing, unknown, expired or revoked, or its owner is disabled.",
    403: "The token's scopes or its owner's role do not allow this.",
    404: "There is no such thing, or none that you may know of.",
    409: "It disagrees with what is stored now; the sentence says how.",
    413: "The body is larger than what is taken at once.",
    415: "The body is not of the media type that is expected.",
    422: "Something that was sent is not what was expected.",
    429: "Too many requests; try again after the seconds in `Retry-After`.",
    503: "The database could not do this just now and nothing was stored; try again in a moment.",
}
EVERYWHERE = (401, 403, 422, 429, 503)


def described(success: Responses, *errors: int) -> Responses:
    """What a route may answer: `success`, these errors, and those of every route."""
    failures: Responses = {
        status: {"description": _ERRORS[status], "model": ErrorAnswer}
        for status in sorted({*errors, *EVERYWHERE})
    }
    failures[401]["headers"] = {"WWW-Authenticate": _header("How to send a token.")}
    failures[429]["headers"] = {"Retry-After": _header("Seconds to wait.")}
    return {**success, **failures}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def assignment(view: AssignmentView) -> dict[str, Any]:
    return {
        "id": str(view.id),
        "comparison": {
            "prompt": view.messages,
            "completions": [{"side": side.label, "text": side.text} for side in view.sides],
        },
        "guideline_version": view.guideline_version,
        "lease_expires_at": iso(view.lease_expires_at),
    }


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows as NDJSON: one JSON object a line."""
    return b"".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows
    )
