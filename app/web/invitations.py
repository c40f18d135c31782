"""The page behind a link that lets a person in once: an invitation, or a sign-in link.

Opening the link changes nothing, because mail scanners open links too; its button does.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from app.db import utc_now
from app.errors import Conflict, InvalidInput
from app.models.accounts import Role
from app.services import accounts, invitations, projects
from app.services.credentials import MIN_PASSWORD_LENGTH
from app.web.access import Anyone, CurrentAdmin
from app.web.pages import render
from app.web.sign_in import HOME, NameField, PasswordField, enter
from app.web.visitors import DatabaseDep, SettingsDep

router = APIRouter()

InvitationId = Annotated[str, Path(max_length=64)]


@router.get("/invitations/{token}")
def show_invitation(
    request: Request, visitor: Anyone, database: DatabaseDep, token: str
) -> Response:
    return _page(request, database, token)


@router.post("/invitations/{token}")
def accept_invitation(
    request: Request,
    visitor: Anyone,
    database: DatabaseDep,
    settings: SettingsDep,
    token: str,
    name: NameField,
    password: PasswordField,
) -> Response:
    now = utc_now()
    try:
        with database.writing() as session:
            person = invitations.accept(session, token, name=name, password=password, now=now)
            opened = accounts.start_session(
                session,
                person,
                session_hours=settings.session_hours,
                through="invitation",
                now=now,
            )
    except (InvalidInput, Conflict) as error:
        return _page(request, database, token, error=error, name=name)
    return enter(database, settings, visitor, opened, HOME)


@router.post("/invitations/{token}/sign-in")
def follow_sign_in_link(
    visitor: Anyone, database: DatabaseDep, settings: SettingsDep, token: str
) -> Response:
    now = utc_now()
    with database.writing() as session:
        person = invitations.follow_sign_in_link(session, token, now=now)
        opened = accounts.start_session(
            session, person, session_hours=settings.session_hours, through="link", now=now
        )
    return enter(database, settings, visitor, opened, HOME)


@router.post("/admin/{slug}/invitations")
def create_invitation(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    slug: str,
    role: Annotated[Role, Form()] = Role.ANNOTATOR,
) -> Response:
    now = utc_now()
    with database.writing() as session:
        project = projects.get_for(session, admin, slug)
        token = invitations.create(session, role=role, project=project, by=admin, now=now)
    return render(
        request,
        "admin/_invitation.html",
        link=f"{request.base_url}invitations/{token}",
        role=role,
        expires_at=now + invitations.INVITATION_LASTS,
    )


@router.post("/people/invitations/{invitation_id}/revoke")
def revoke_invitation(
    admin: CurrentAdmin, database: DatabaseDep, invitation_id: InvitationId
) -> Response:
    with database.writing() as session:
        invitations.revoke(session, invitation_id, by=admin, now=utc_now())
    return RedirectResponse("/people", status_code=303)


def _page(
    request: Request,
    database: DatabaseDep,
    token: str,
    *,
    error: InvalidInput | Conflict | None = None,
    name: str = "",
) -> Response:
    with database.reading() as session:
        invitation = invitations.find(session, token, now=utc_now())
    return render(
        request,
        "invitation.html",
        status=error.status if error else 200,
        invitation=invitation,
        token=token,
        name=name,
        problem=str(error) if error else None,
        min_password_length=MIN_PASSWORD_LENGTH,
    )
