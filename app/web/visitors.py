"""Who is behind a request: the session cookie, and the token that forms must send back.

Someone who is not signed in gets a cookie too, so that the sign-in form is protected in the same
way: its token is a keyed hash of that cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Response

from app.access import reaches
from app.db import Database, utc_now
from app.models.accounts import Annotator, Role
from app.services import accounts
from app.services.fit_memory import FitMemory
from app.settings import Settings


@dataclass(frozen=True)
class Visitor:
    """Whoever sent the request. `csrf_token` goes into every form and htmx request."""

    annotator: Annotator | None
    make_csrf_token: Callable[[], str]
    session_token: str | None
    new_cookie: str | None = None
    """Cookie to set with the answer, for someone who had none."""

    @property
    def csrf_token(self) -> str:
        """Made when it is asked for: a program's requests never do."""
        return self.make_csrf_token()

    def may(self, role: Role) -> bool:
        return reaches(self.annotator.role if self.annotator else None, role)


def database_of(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def fit_memory_of(request: Request) -> FitMemory:
    return cast(FitMemory, request.app.state.fit_memory)


def settings_of(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def address_of(request: Request) -> str:
    """Where the request came from, as far as the server can tell."""
    return request.client.host if request.client else "unknown"


def _cookie_name(settings: Settings, name: str) -> str:
    # Browsers accept a __Host- cookie only over HTTPS and only from this very host.
    return f"__Host-{name}" if settings.environment == "production" else name


def _set_cookie(
    response: Response, settings: Settings, name: str, value: str, max_age: int | None
) -> None:
    response.set_cookie(
        _cookie_name(settings, name),
        value,
        max_age=max_age,
        httponly=True,
        samesite="lax",
        secure=settings.environment == "production",
        path="/",
    )


def set_session_cookie(response: Response, settings: Settings, token: str) -> None:
    _set_cookie(response, settings, "prefloop_session", token, settings.session_hours * 3600)


def set_visitor_cookie(response: Response, settings: Settings, value: str) -> None:
    _set_cookie(response, settings, "prefloop_visitor", value, None)


def delete_session_cookie(response: Response, settings: Settings) -> None:
    _set_cookie(response, settings, "prefloop_session", "", 0)


def bearer_token(request: Request) -> str | None:
    """The token of a program's request to the API, whatever it is worth. A browser never adds such
    a header by itself; what comes with a session cookie all the same counts as a browser's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if (
        not request.url.path.startswith("/api/")
        or scheme.lower() != "bearer"
        or _cookie_name(settings_of(request), "prefloop_session") in request.cookies
    ):
        return None
    return token.strip()


def _stranger(request: Request, settings: Settings) -> Visitor:
    known = request.cookies.get(_cookie_name(settings, "prefloop_visitor"))
    cookie = known or secrets.token_urlsafe(32)
    key: bytes = request.app.state.form_key
    return Visitor(
        annotator=None,
        make_csrf_token=lambda: hmac.new(key, cookie.encode(), hashlib.sha256).hexdigest(),
        session_token=None,
        new_cookie=None if known else cookie,
    )


async def look_up_visitor(request: Request) -> Visitor:
    """Once a request, before its route; kept on `request.state`, also for the error page."""
    settings = settings_of(request)
    token = request.cookies.get(_cookie_name(settings, "prefloop_session"))
    signed_in = None
    if token:
        signed_in = accounts.find_session(database_of(request), token, now=utc_now())
    if signed_in is None:
        visitor = _stranger(request, settings)
    else:
        known = signed_in.csrf_token
        visitor = Visitor(signed_in.annotator, lambda: known, token)
    request.state.visitor = visitor
    return visitor


# Coroutines, because FastAPI runs plain functions in a thread, which costs more than they do.
async def _visitor_for_route(request: Request) -> Visitor:
    return cast(Visitor, request.state.visitor)


async def _database_for_route(request: Request) -> Database:
    return database_of(request)


async def _settings_for_route(request: Request) -> Settings:
    return settings_of(request)


CurrentVisitor = Annotated[Visitor, Depends(_visitor_for_route)]
DatabaseDep = Annotated[Database, Depends(_database_for_route)]
FitMemoryDep = Annotated[FitMemory, Depends(fit_memory_of)]
SettingsDep = Annotated[Settings, Depends(_settings_for_route)]
