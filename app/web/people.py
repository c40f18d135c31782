"""What admins see of people and change: their roles, whether they may come in, and where they work.

The audit log is here too: what people did, and what was done to them.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.db import utc_now
from app.models.accounts import Role
from app.services import accounts, audit, invitations, memberships, people, projects
from app.services.audit import Action
from app.web.access import CurrentAdmin
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter()

NameFilter = Annotated[str, Query(max_length=accounts.MAX_NAME_LENGTH)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
GroupsField = Annotated[str, Form(max_length=5000)]
"""Names of groups with commas between."""


def _back_to(person_id: UUID) -> Response:
    return RedirectResponse(f"/people/{person_id}", status_code=303)


@router.get("/people")
def list_people(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    name: NameFilter = "",
    page: PageNumber = 1,
) -> Response:
    with database.reading() as session:
        found = people.page_of(session, name=name, page=page)
        invited = invitations.list_open(session, now=utc_now())
    return render(request, "people/list.html", found=found, name=name, invited=invited)


@router.get("/people/{person_id}")
def show_person(
    request: Request, admin: CurrentAdmin, database: DatabaseDep, person_id: UUID
) -> Response:
    with database.reading() as session:
        person = people.get(session, person_id)
        joined = memberships.list_for(session, person)
        sessions = accounts.list_sessions(session, person, now=utc_now())
        joined_ids = {row.project.id for row in joined}
        others = [p for p in projects.list_for(session, admin) if p.id not in joined_ids]
    return render(
        request,
        "people/person.html",
        person=person,
        memberships=joined,
        other_projects=others,
        sessions=sessions,
    )


@router.post("/people/{person_id}/role")
def change_role(
    admin: CurrentAdmin, database: DatabaseDep, person_id: UUID, role: Annotated[Role, Form()]
) -> Response:
    with database.writing() as session:
        people.set_role(session, people.get(session, person_id), role, by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/disable")
def disable(admin: CurrentAdmin, database: DatabaseDep, person_id: UUID) -> Response:
    with database.writing() as session:
        people.disable(session, people.get(session, person_id), by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/enable")
def enable(admin: CurrentAdmin, database: DatabaseDep, person_id: UUID) -> Response:
    with database.writing() as session:
        people.enable(session, people.get(session, person_id), by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/sign-out-everywhere")
def sign_out_everywhere(admin: CurrentAdmin, database: DatabaseDep, person_id: UUID) -> Response:
    with database.writing() as session:
        person = people.get(session, person_id)
        accounts.sign_out_everywhere(session, person, by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/projects")
def add_to_project(
    admin: CurrentAdmin,
    database: DatabaseDep,
    person_id: UUID,
    slug: Annotated[str, Form()],
    groups: GroupsField = "",
) -> Response:
    with database.writing() as session:
        person = people.get(session, person_id)
        project = projects.get_for(session, admin, slug)
        memberships.add(session, project, person, groups=groups.split(","), by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/projects/{slug}/groups")
def change_groups(
    admin: CurrentAdmin,
    database: DatabaseDep,
    person_id: UUID,
    slug: str,
    groups: GroupsField = "",
) -> Response:
    with database.writing() as session:
        person = people.get(session, person_id)
        project = projects.get_for(session, admin, slug)
        memberships.set_groups(session, project, person, groups.split(","), by=admin, now=utc_now())
    return _back_to(person_id)


@router.post("/people/{person_id}/projects/{slug}/remove")
def remove_from_project(
    admin: CurrentAdmin, database: DatabaseDep, person_id: UUID, slug: str
) -> Response:
    with database.writing() as session:
        person = people.get(session, person_id)
        project = projects.get_for(session, admin, slug)
        memberships.remove(session, project, person, by=admin, now=utc_now())
    return _back_to(person_id)


@router.get("/audit")
def show_audit(
    request: Request,
    admin: CurrentAdmin,
    database: DatabaseDep,
    action: Action | Literal[""] = "",
    name: NameFilter = "",
    page: PageNumber = 1,
) -> Response:
    with database.reading() as session:
        found = audit.page_of(session, action=action or None, name=name, page=page)
    return render(
        request, "people/audit.html", found=found, action=action, actions=list(Action), name=name
    )
