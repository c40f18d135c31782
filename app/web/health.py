"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app import revisions
from app.errors import StorageUnavailable
from app.services import storage
from app.web.access import Anyone
from app.web.visitors import DatabaseDep

router = APIRouter()


@router.get("/healthz")
def healthz(visitor: Anyone) -> Response:
    return PlainTextResponse("alive\n")


@router.get("/readyz")
def readyz(visitor: Anyone, database: DatabaseDep) -> Response:
    try:
        found, problem = revisions.current(database), storage.problem(database)
    except StorageUnavailable:
        return PlainTextResponse("the database does not answer\n", status_code=503)
    expected = revisions.expected()
    if found != expected:
        return PlainTextResponse(
            f"database is at {found or 'nothing'}, this version needs {expected}: "
            "run `prefloop db upgrade`\n",
            status_code=503,
        )
    if problem is not None:
        return PlainTextResponse(f"{problem}\n", status_code=503)
    return PlainTextResponse("ready\n")
