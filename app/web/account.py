"""One's own account: its password, and where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.db import utc_now
from app.errors import Conflict, InvalidInput, TooManyRequests
from app.services import accounts, rate_limits
from app.services.credentials import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH
from app.web.access import CurrentAnnotator
from app.web.pages import render
from app.web.sign_in import PasswordField
from app.web.visitors import (
    CurrentVisitor,
    DatabaseDep,
    SettingsDep,
    Visitor,
    address_of,
    delete_session_cookie,
    set_session_cookie,
)

router = APIRouter(prefix="/account")

OldPasswordField = Annotated[str, Form(max_length=MAX_PASSWORD_LENGTH)]
Problem = Conflict | InvalidInput | TooManyRequests


@router.get("")
def show_account(
    request: Request, annotator: CurrentAnnotator, visitor: CurrentVisitor, database: DatabaseDep
) -> Response:
    return _page(request, visitor, database)


@router.post("/password")
def change_password(
    request: Request,
    annotator: CurrentAnnotator,
    visitor: CurrentVisitor,
    database: DatabaseDep,
    settings: SettingsDep,
    new_password: PasswordField,
    current_password: OldPasswordField = "",
) -> Response:
    now = utc_now()
    try:
        # Whoever sits down at an open browser must not guess faster here than at the sign-in.
        rate_limits.count_sign_in(database, annotator.name, address_of(request), now=now)
        token = accounts.change_password(
            database,
            annotator,
            current_password,
            new_password,
            session_hours=settings.session_hours,
            now=now,
        )
    except (Conflict, InvalidInput, TooManyRequests) as error:
        return _page(request, visitor, database, error)
    rate_limits.forget_name(database, annotator.name)
    response = RedirectResponse("/account", status_code=303)
    set_session_cookie(response, settings, token)
    return response


@router.post("/sign-out-everywhere")
def sign_out_everywhere(
    annotator: CurrentAnnotator, database: DatabaseDep, settings: SettingsDep
) -> Response:
    with database.writing() as session:
        accounts.sign_out_everywhere(session, annotator, by=annotator, now=utc_now())
    response = RedirectResponse("/sign-in", status_code=303)
    delete_session_cookie(response, settings)
    return response


def _page(
    request: Request, visitor: Visitor, database: DatabaseDep, error: Problem | None = None
) -> Response:
    assert visitor.annotator is not None, "the rule lets only signed-in people through"
    with database.reading() as session:
        sessions = accounts.list_sessions(
            session, visitor.annotator, this_token=visitor.session_token, now=utc_now()
        )
    response = render(
        request,
        "account.html",
        status=error.status if error else 200,
        sessions=sessions,
        problem=str(error) if error else None,
        min_password_length=MIN_PASSWORD_LENGTH,
    )
    if error is not None:
        response.headers.update(error.headers)
    return response
