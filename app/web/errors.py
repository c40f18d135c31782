"""The one place where an error becomes an answer: a status and one page or fragment."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.errors import PrefloopError, SignInRequired, StorageUnavailable
from app.web.pages import render, wants_fragment
from app.web.receipts import mark_refusal
from app.web.security import add_security_headers

log = structlog.get_logger()

SENTENCES = {
    503: "The database could not do this just now and nothing was stored; try again in a moment.",
    404: "There is no page at this address; check it, or start again from your projects.",
    405: "This address cannot be used in this way; go back and use the page's own buttons.",
    413: "What was sent is larger than 1 MB and was not stored; send less at once.",
}
API_PREFIX = "/api/v1/"
API_SENTENCES = {
    **SENTENCES,
    404: "The API has nothing at this address; see /api/docs.",
    405: "The API does not know this method at this address; see /api/docs.",
}
UNEXPECTED = "Something failed on the server and nothing was stored; try again, then tell an admin."


def _from_a_program(request: Request) -> bool:
    """Whether the answer is for a program that uses the API, and not for a person's browser."""
    return request.url.path.startswith(API_PREFIX)


def _route(request: Request) -> str:
    """The route's pattern: an address itself may hold an invitation's token."""
    path: str = getattr(request.scope.get("route"), "path", "no route")
    return f"{request.method} {path}"


def _json_answer(status: int, sentence: str) -> Response:
    # Escaped, because a sentence may repeat half a character that was sent.
    body = json.dumps({"error": {"status": status, "sentence": sentence}})
    response = Response(body, status_code=status, media_type="application/json")
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer(request: Request, status: int, sentence: str) -> Response:
    """A page, a fragment for the page that asked, or JSON where a program asked the API."""
    if _from_a_program(request):
        return _json_answer(status, sentence)
    context = {"title": HTTPStatus(status).phrase, "sentence": sentence}
    if not wants_fragment(request):
        return render(request, "error.html", status=status, **context)
    response = render(request, "_error.html", status=status, **context)
    response.headers["HX-Retarget"] = "#notice"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


async def _domain_error(request: Request, error: Exception) -> Response:
    error = cast(PrefloopError, error)
    page_wanted = (
        request.method == "GET" and not wants_fragment(request) and not _from_a_program(request)
    )
    if isinstance(error, SignInRequired) and page_wanted:
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(address, safe='')}", status_code=303)
    if isinstance(error, StorageUnavailable):
        # What the database said may name its host, user or tables: for the log, not for visitors.
        log.error("storage unavailable", route=_route(request), error=str(error))
        return answer(request, error.status, SENTENCES[error.status])
    response = answer(request, error.status, str(error))
    response.headers.update(error.headers)
    return mark_refusal(request, response)


async def _http_error(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    # Only a body that cannot be read or has too many fields is a bad request to the framework.
    status = 422 if error.status_code == 400 else error.status_code
    detail = str(error.detail).rstrip(".")
    known = API_SENTENCES if _from_a_program(request) else SENTENCES
    sentence = known.get(status, f"The request was refused: {detail}.")
    response = answer(request, status, sentence)
    response.headers.update(error.headers or {})
    return response


async def _invalid_form(request: Request, error: Exception) -> Response:
    problems = [
        ": ".join(
            filter(None, [".".join(str(part) for part in problem["loc"][1:]), problem["msg"]])
        )
        for problem in cast(RequestValidationError, error).errors()
    ]
    what = "request" if _from_a_program(request) else "form"
    sentence = f"The {what} could not be read. {'; '.join(problems)}."
    return mark_refusal(request, answer(request, 422, sentence))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error(
        "unexpected error",
        route=_route(request),
        error=type(error).__name__,
        exc_info=error,
    )
    response = answer(request, 500, UNEXPECTED)
    # This handler runs outside every middleware.
    add_security_headers(response.headers)
    response.headers["X-Request-Id"] = request.state.request_id
    return response


def install_error_pages(app: FastAPI) -> None:
    app.add_exception_handler(PrefloopError, _domain_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_form)
    app.add_exception_handler(Exception, _unexpected)
