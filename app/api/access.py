"""Who may call what of the API: every route names one `ApiMay`.

Only a bearer token counts here, never a cookie: a browser adds no such header by itself, so no
other site can make a request in somebody's name, and unsafe methods need no form token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.access import Rule, reaches
from app.db import Database, utc_now
from app.errors import Forbidden, SignInRequired
from app.models.accounts import Annotator, Role
from app.services import tokens
from app.services.tokens import Scope
from app.settings import Settings
from app.threads import short


@dataclass(frozen=True)
class ApiMay(Rule):
    """The rule of a route that needs a token of this scope which acts in this role or a higher one.
    Which projects it sees is decided by the services, by that role too."""

    scope: Scope
    role: Role

    def allows(self, role: Role | None) -> bool:
        return reaches(role, self.role)

    async def __call__(self, request: Request) -> Annotator:
        database = database_of(request)
        now, token = utc_now(), _token(request)
        bearer = tokens.authenticate(database, token, now=now)
        if bearer.used_long_ago(now):
            await _note_use(database, bearer, now=now)
        if self.scope not in bearer.scopes:
            raise Forbidden(
                f"This token is for {', '.join(sorted(bearer.scopes))}; this needs the scope "
                f"{self.scope}. Make another token."
            )
        if not reaches(bearer.annotator.role, self.role):
            raise Forbidden(
                f"This needs the role {self.role}; this token acts as {bearer.annotator.role}, "
                "which its owner is now or was when it was made. Make another token, or ask an "
                "admin if you should have the role."
            )
        return bearer.annotator


_note_use = short(tokens.note_use)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignInRequired(
            "This needs an API token, sent as the header `Authorization: Bearer TOKEN`."
        )
    return token.strip()


def database_of(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def settings_of(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


# Coroutines, because FastAPI runs plain functions in a thread, which costs more than they do.
async def _database_of(request: Request) -> Database:
    return database_of(request)


DatabaseDep = Annotated[Database, Depends(_database_of)]
Annotating = Annotated[Annotator, Depends(ApiMay(Scope.ANNOTATE, Role.ANNOTATOR))]
Reading = Annotated[Annotator, Depends(ApiMay(Scope.READ, Role.ANNOTATOR))]
ReadingOthers = Annotated[Annotator, Depends(ApiMay(Scope.READ, Role.REVIEWER))]
Importing = Annotated[Annotator, Depends(ApiMay(Scope.IMPORT, Role.ADMIN))]
Exporting = Annotated[Annotator, Depends(ApiMay(Scope.EXPORT, Role.ADMIN))]
