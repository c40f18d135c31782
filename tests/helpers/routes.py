"""Every route of an application, who may ask it, and a body that each accepts: for the tests of who
may do what (`helpers.matrix`).

A route with an object or a body that nobody entered here fails, so that none is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi.routing import iter_route_contexts
from helpers.web import GUIDELINE, PASSWORD, Site
from pydantic import BaseModel

from app.access import Rule
from app.models.accounts import Role
from app.web.access import rules_of_routes


class Kind(StrEnum):
    """Who asks. The project `kitchen` has members; of `garden` none of these is one."""

    NOBODY = "nobody"
    DISABLED = "a disabled admin"
    OUTSIDER = "an annotator who left the kitchen"
    MEMBER = "a member of the kitchen"
    REVIEWER = "a reviewer"
    ADMIN = "an admin"

    @property
    def role(self) -> Role | None:
        """The role that counts, where any does."""
        roles = {
            Kind.OUTSIDER: Role.ANNOTATOR,
            Kind.MEMBER: Role.ANNOTATOR,
            Kind.REVIEWER: Role.REVIEWER,
            Kind.ADMIN: Role.ADMIN,
        }
        return roles.get(self)

    @property
    def sees_every_project(self) -> bool:
        return self in (Kind.REVIEWER, Kind.ADMIN)


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    rule: Rule

    @property
    def objects(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/v1/")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Case:
    """One address of a route: which of its objects are the asker's own."""

    address: str
    variants: dict[str, str]
    open_to_asker: bool
    """Whether all that the address names may be seen or used by the asker, if the rule agrees."""


BODIES: dict[str, dict[str, Any]] = {
    "/sign-in": {"name": "visitor", "password": PASSWORD},
    "/sign-out": {},
    "/invitations/{token}": {"password": PASSWORD},
    "/invitations/{token}/sign-in": {},
    "/projects/{slug}/guideline/reading": {},
    "/projects/{slug}/assignments/{assignment_id}/judgment": {"verdict": "tie"},
    "/projects/{slug}/assignments/{assignment_id}/skip": {"reason": "because"},
    "/projects/{slug}/assignments/{assignment_id}/flag": {"reason": "because"},
    "/projects/{slug}/assignments/{assignment_id}/heartbeat": {},
    "/admin/{slug}/invitations": {"role": "annotator"},
    "/admin/{slug}/queue": {
        "overlap": "900",
        "overlap_share": "100",
        "adaptive_confidence": "95",
        "gold_share": "0",
        "repeat_share": "0",
        "repeat_after_hours": "24",
    },
    "/admin/{slug}/annotators/fit": {},
    "/admin/{slug}/planning": {"currency": "EUR", "person_amount": "0.5", "person_per": "hour"},
    "/admin/{slug}/guideline": {"markdown": GUIDELINE},
    "/admin/{slug}/guideline/draft": {"markdown": GUIDELINE},
    "/admin/{slug}/guideline/candidates/{candidate_id}/drop": {"markdown": GUIDELINE},
    "/admin/{slug}/guideline/candidates/{candidate_id}/reopen": {"markdown": GUIDELINE},
    "/admin/{slug}/comparisons/{comparison_id}/candidates": {"text": "Say what counts."},
    "/admin/{slug}/triage/reasons/{comparison_id}": {"text": "Say what counts."},
    "/admin/{slug}/triage/{comparison_id}": {"outcome": "split", "cause": "taste", "note": "so"},
    "/admin/{slug}/exports": {},
    "/account/password": {"new_password": PASSWORD},
    "/account/sign-out-everywhere": {},
    "/account/tokens": {"label": "a token", "days": "1", "scopes": "read"},
    "/account/tokens/{token_id}/revoke": {},
    "/people/invitations/{invitation_id}/revoke": {},
    "/people/{person_id}/role": {"role": "reviewer"},
    "/people/{person_id}/disable": {},
    "/people/{person_id}/enable": {},
    "/people/{person_id}/sign-out-everywhere": {},
    "/people/{person_id}/projects": {"slug": "garden"},
    "/people/{person_id}/projects/{slug}/groups": {"groups": "medics"},
    "/people/{person_id}/projects/{slug}/remove": {},
    "/api/v1/projects/{slug}/guideline/reading": {"version": 1},
    "/api/v1/projects/{slug}/assignments": {},
    "/api/v1/assignments/{assignment_id}/judgment": {"verdict": "tie"},
    "/api/v1/assignments/{assignment_id}/skip": {"reason": "because"},
    "/api/v1/assignments/{assignment_id}/flag": {"reason": "because"},
    "/api/v1/assignments/{assignment_id}/heartbeat": {},
    "/api/v1/projects/{slug}/import": {},
}
"""A body that each route which changes something accepts; some get a part that must be unique."""


NAMED: dict[str, dict[str, str]] = {
    "/admin/{slug}/guideline": {"candidate": "candidate_id"},
    "/admin/{slug}/guideline/draft": {"candidate": "candidate_id"},
    "/admin/{slug}/guideline/candidates/{candidate_id}/drop": {"candidate": "candidate_id"},
    "/admin/{slug}/guideline/candidates/{candidate_id}/reopen": {"candidate": "candidate_id"},
    "/admin/{slug}/comparisons/{comparison_id}/candidates": {"judgment_id": "judgment_id"},
    "/admin/{slug}/triage/{comparison_id}": {"revises": "adjudication_id"},
    "/people/{person_id}/projects": {"slug": "slug"},
    "/admin/{slug}/comparisons": {"annotator": "annotator_name", "other": "annotator_name"},
    "/admin/{slug}/annotators": {"name": "annotator_name"},
    "/admin/{slug}/annotators/matrix": {
        "name": "annotator_name",
        "annotator": "annotator_name",
        "other": "annotator_name",
    },
}
"""Which objects the fields of a route's body or query name. Those that hold ids are found by
`id_fields`, and one that is not here fails."""


def id_fields(site: Site) -> set[tuple[str, str]]:
    """Path and name of every field that holds the id of something."""
    found = set()
    for context in iter_route_contexts(site.app.routes):
        dependant = getattr(context.original_route, "dependant", None)
        given = [] if dependant is None else [*dependant.body_params, *dependant.query_params]
        for one in given:
            kind = one.field_info.annotation
            fields = {one.alias: kind}
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields = {name: field.annotation for name, field in kind.model_fields.items()}
            found |= {(context.path, name) for name, kind in fields.items() if "UUID" in repr(kind)}
    return found


def routes_of(site: Site) -> list[Route]:
    found = []
    for name, rules in rules_of_routes(site.app):
        if name == "/static":
            continue
        methods, path = name.split(" ")
        found += [Route(method, path, rules[0]) for method in methods.split("/")]
    return found
