"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.db import Database, utc_now
from app.errors import SignInRequired, TooManyRequests
from app.services import accounts, rate_limits
from app.services.credentials import MAX_PASSWORD_LENGTH
from app.settings import Settings
from app.web.access import Anyone, CurrentAnnotator
from app.web.pages import render
from app.web.visitors import (
    CurrentVisitor,
    DatabaseDep,
    SettingsDep,
    Visitor,
    address_of,
    delete_session_cookie,
    set_session_cookie,
)

router = APIRouter()

HOME = "/projects"
NameField = Annotated[str, Form(max_length=accounts.MAX_NAME_LENGTH)]
PasswordField = Annotated[str, Form(max_length=MAX_PASSWORD_LENGTH)]


def local_address(address: str) -> str:
    """Where to go after signing in; anything that could lead to another site becomes home."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_local else HOME


@router.get("/sign-in")
def show_sign_in(request: Request, visitor: Anyone, next: str = HOME) -> Response:
    if visitor.annotator is not None:
        return RedirectResponse(local_address(next), status_code=303)
    return render(request, "sign_in.html", name="", next=local_address(next), problem=None)


@router.post("/sign-in")
def sign_in(
    request: Request,
    visitor: Anyone,
    database: DatabaseDep,
    settings: SettingsDep,
    name: NameField,
    password: PasswordField,
    next: Annotated[str, Form()] = HOME,
) -> Response:
    now = utc_now()
    try:
        rate_limits.count_sign_in(database, name, address_of(request), now=now)
        token = accounts.sign_in(
            database, name, password, session_hours=settings.session_hours, now=now
        )
    except (SignInRequired, TooManyRequests) as error:
        page = {"name": name, "next": local_address(next), "problem": str(error)}
        response = render(request, "sign_in.html", status=error.status, **page)
        response.headers.update(error.headers)
        return response
    rate_limits.forget_name(database, name)
    return enter(database, settings, visitor, token, local_address(next))


@router.post("/sign-out")
def sign_out(
    annotator: CurrentAnnotator,
    visitor: CurrentVisitor,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Response:
    assert visitor.session_token is not None, "the rule lets only signed-in people through"
    with database.writing() as session:
        accounts.sign_out(session, visitor.session_token)
    response = RedirectResponse("/sign-in", status_code=303)
    delete_session_cookie(response, settings)
    return response


def enter(
    database: Database, settings: Settings, visitor: Visitor, token: str, address: str
) -> Response:
    """Hand out the new session; whatever session this browser had before ends."""
    if visitor.session_token is not None:
        with database.writing() as session:
            accounts.sign_out(session, visitor.session_token)
    response = RedirectResponse(address, status_code=303)
    set_session_cookie(response, settings, token)
    return response
