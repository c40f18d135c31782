"""Importing over HTTP: lines of JSON in, counts and every rejected line with its reason out.

The body goes to a temporary file first, so that a slow sender holds no thread and no transaction,
and one that is too large stores nothing. Memory is bounded on the way in and on the way out.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from app.api.access import DatabaseDep, Importing, settings_of
from app.api.answers import NDJSON, described
from app.api.schemas import ImportAnswer, Slug
from app.db import Database, utc_now
from app.errors import InvalidInput, StorageUnavailable, TooLarge, UnsupportedMedia
from app.models.accounts import Annotator
from app.services import imports, projects
from app.services.import_files import json_lines
from app.services.imports import ImportSummary, Rejected

LONGEST_LINE = 1024 * 1024
MEBIBYTE = 1024 * 1024
_one_at_a_time = CapacityLimiter(1)

router = APIRouter(tags=["Importing"])


@router.post(
    "/projects/{slug}/import",
    summary="Import prompts, completions, demonstrations and judgments",
    response_class=StreamingResponse,
    responses=described(
        {200: {"description": "What was stored, and what was not.", "model": ImportAnswer}},
        404,
        413,
        415,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "One JSON object a line, such as `prefloop import` takes.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
)
async def import_lines(
    request: Request, admin: Importing, database: DatabaseDep, slug: Slug
) -> Response:
    """A line that cannot be taken never stops the rest.

    Importing the same lines again adds nothing, so an import that broke off is completed by
    repeating it.
    """
    await to_thread.run_sync(_require_project, database, admin, slug)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != NDJSON:
        raise UnsupportedMedia(
            f"The body is {media_type or 'of no media type'}; send lines of JSON as {NDJSON}."
        )
    # The setting decides here, and not the limit of every other body.
    request.state.bytes_allowed.most = math.inf
    # Closed when the answer has been sent from it, or when it is forgotten.
    rejects = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with tempfile.TemporaryFile() as body:
            await _receive(request.stream(), body, settings_of(request).import_megabytes)
            summary = await to_thread.run_sync(
                _import, database, admin, slug, body, rejects, limiter=_one_at_a_time
            )
    except OSError as error:
        raise StorageUnavailable(
            f"The import has no room for its temporary file: {error}"
        ) from error
    except ClientDisconnect as error:
        raise InvalidInput(
            "The body broke off, so nothing of it was stored; send it again."
        ) from error
    return StreamingResponse(_answer(summary, rejects), media_type="application/json")


def _require_project(database: Database, admin: Annotator, slug: str) -> None:
    with database.reading() as session:
        projects.get_for(session, admin, slug)


async def _receive(chunks: AsyncIterator[bytes], body: IO[bytes], megabytes: int) -> None:
    """Write all chunks to the file and go back to its beginning."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > megabytes * MEBIBYTE:
            raise TooLarge(
                f"The body is larger than {megabytes} MiB and nothing of it was stored; send it "
                "in several imports, or use `prefloop import`."
            )
        body.write(chunk)
    body.seek(0)


def _import(
    database: Database, admin: Annotator, slug: str, body: IO[bytes], rejects: IO[bytes]
) -> ImportSummary:
    def reject(found: Rejected) -> None:
        line = {"line": found.line, "reason": found.reason}
        rejects.write((b"," if rejects.tell() else b"") + json.dumps(line).encode())

    records = json_lines(body, longest=LONGEST_LINE)
    return imports.import_records(database, slug, records, by=admin, now=utc_now(), reject=reject)


def _answer(summary: ImportSummary, rejects: IO[bytes]) -> Iterator[bytes]:
    """The JSON object, without ever holding all rejected lines at once."""
    counts = {
        "records": summary.records,
        "added": summary.added,
        "updated": summary.updated,
        "already_there": summary.already_there,
    }
    with rejects:
        yield json.dumps(counts).encode().removesuffix(b"}") + b', "rejected": ['
        rejects.seek(0)
        while piece := rejects.read(MEBIBYTE):
            yield piece
        yield b"]}"
