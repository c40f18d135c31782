"""Who may do what: every route names one rule, and unsafe requests must come from our own pages.

A route without a rule stops the server from starting (`check_every_route_has_a_rule`).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from app.access import Rule, reaches
from app.errors import Forbidden, SignInRequired
from app.models.accounts import Annotator, Role
from app.web.body_limits import MOST_FIELDS, MOST_FILES
from app.web.visitors import CurrentVisitor, Visitor, bearer_token

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class AnyoneMay(Rule):
    """The rule of a page that is open to all."""

    def allows(self, role: Role | None) -> bool:
        return True

    async def __call__(self, visitor: CurrentVisitor) -> Visitor:
        return visitor


@dataclass(frozen=True)
class RoleMay(Rule):
    """The rule of a page that needs this role or a higher one."""

    role: Role

    def allows(self, role: Role | None) -> bool:
        return reaches(role, self.role)

    async def __call__(self, visitor: CurrentVisitor) -> Annotator:
        if visitor.annotator is None:
            raise SignInRequired("Sign in to see this page.")
        if not visitor.may(self.role):
            raise Forbidden(
                f"This needs the role {self.role}; you are {visitor.annotator.role}. "
                "Ask an admin if you should have it."
            )
        return visitor.annotator


Anyone = Annotated[Visitor, Depends(AnyoneMay())]
CurrentAnnotator = Annotated[Annotator, Depends(RoleMay(Role.ANNOTATOR))]
CurrentReviewer = Annotated[Annotator, Depends(RoleMay(Role.REVIEWER))]
CurrentAdmin = Annotated[Annotator, Depends(RoleMay(Role.ADMIN))]


def _comes_from_another_site(request: Request) -> bool:
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


async def refuse_forged_requests(request: Request, visitor: Visitor) -> None:
    """A request that changes something must come from this site and carry the visitor's token."""
    if request.method in SAFE_METHODS:
        return
    if request.url.path.startswith("/api/"):
        if bearer_token(request) is None:
            raise SignInRequired(
                "This needs an API token, sent as the header `Authorization: Bearer TOKEN` and "
                "without a session cookie."
            )
        return
    if _comes_from_another_site(request):
        raise Forbidden("This request came from another site and was refused; nothing changed.")
    token: Any = request.headers.get("x-csrf-token")
    if token is None:
        form = await request.form(max_fields=MOST_FIELDS, max_files=MOST_FILES)
        token = form.get("csrf_token")
    if not isinstance(token, str) or not hmac.compare_digest(
        token.encode(), visitor.csrf_token.encode()
    ):
        raise Forbidden(
            "This page is out of date, so nothing was changed; reload it and try again."
        )


def rules_of_routes(app: FastAPI) -> Iterator[tuple[str, list[Rule]]]:
    """Every route with the rules found among its dependencies. Static files are open to all."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount) and route.path == "/static":
            yield route.path, [AnyoneMay()]
            continue
        dependant = getattr(route, "dependant", None)
        calls = [] if dependant is None else [d.call for d in dependant.dependencies]
        name = f"{'/'.join(sorted(context.methods or []))} {context.path}"
        yield name, [call for call in calls if isinstance(call, Rule)]


def check_every_route_has_a_rule(app: FastAPI) -> None:
    for name, rules in rules_of_routes(app):
        if len(rules) != 1:
            raise RuntimeError(f"{name} has {len(rules)} access rules; give it exactly one.")
