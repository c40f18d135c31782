"""`create_app(settings)`: the web application, put together. Importing this touches no database."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.routing import BaseRoute

from app.api import v1
from app.db import Database
from app.logs import RequestLog
from app.metrics import count_database_errors
from app.services.fit_memory import FitMemory
from app.settings import Settings, require_good_secrets
from app.threads import limit_threads
from app.web import (
    account,
    admin,
    agreement,
    annotators,
    api_docs,
    compare,
    guideline,
    health,
    invitations,
    leaderboard,
    metrics,
    people,
    planning,
    projects,
    queue,
    sign_in,
    tokens,
    triage,
)
from app.web.access import check_every_route_has_a_rule, refuse_forged_requests
from app.web.assets import static_files
from app.web.body_limits import MOST_FIELDS, MOST_FILES, BodyLimit, NestingLimit
from app.web.errors import install_error_pages
from app.web.request_limits import RequestLimiter, limit_requests
from app.web.security import MAX_BODY_BYTES, SecurityHeaders
from app.web.visitors import look_up_visitor


async def _admit(request: Request) -> None:
    """What every route asks first: one dependency, because each costs as much as what it does."""
    visitor = await look_up_visitor(request)
    limit_requests(request, visitor)
    await refuse_forged_requests(request, visitor)


ASKED_FIRST = [Depends(_admit)]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    database: Database = app.state.database
    limit_threads(database.turn)
    yield
    database.dispose()


def _form_key(settings: Settings) -> bytes:
    """What signs the form tokens of strangers. Production starts with a good secret or not."""
    if settings.environment == "production":
        require_good_secrets(settings)
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    return secrets.token_bytes(32)


@cache
def _routes() -> list[BaseRoute]:
    """Every page and the API. They hold no settings, so that all apps of a process share them: to
    build them takes longer than all the rest of an app."""
    router = APIRouter(dependencies=ASKED_FIRST)
    # First, because routes are tried in order and programs ask most often.
    router.include_router(v1.router)
    for module in (
        health,
        api_docs,
        metrics,
        sign_in,
        invitations,
        projects,
        compare,
        admin,
        agreement,
        annotators,
        leaderboard,
        planning,
        guideline,
        triage,
        queue,
        account,
        people,
        tokens,
    ):
        router.include_router(module.router)
    router.mount("/static", static_files)
    return router.routes


def create_app(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="Prefloop",
        lifespan=_lifespan,
        openapi_url=None,
        routes=_routes(),
        dependencies=ASKED_FIRST,
        form_limits={"max_fields": MOST_FIELDS, "max_files": MOST_FILES},
    )
    app.state.settings = settings
    app.state.form_key = _form_key(settings)
    app.state.database = Database(settings.database_url)
    app.state.fit_memory = FitMemory()
    app.state.queue_depths = metrics.QueueDepths(app.state.database)
    for engine in app.state.database.engines:
        count_database_errors(engine)
    app.state.request_limiter = RequestLimiter(settings)
    app.state.api_document = v1.openapi_document()
    app.add_middleware(NestingLimit)
    app.add_middleware(BodyLimit, most=MAX_BODY_BYTES)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)
    install_error_pages(app)
    check_every_route_has_a_rule(app)
    return app
