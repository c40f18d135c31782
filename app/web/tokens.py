"""One's own API tokens: make one, which is shown once, see all, revoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.access import reaches
from app.db import utc_now
from app.models.accounts import Annotator, ApiToken
from app.services import tokens
from app.services.tokens import SCOPES
from app.web.access import CurrentAnnotator
from app.web.pages import render
from app.web.visitors import DatabaseDep

router = APIRouter(prefix="/account/tokens")


class TokenForm(BaseModel):
    """What the page sends; the service checks what it means."""

    label: str
    days: int
    scopes: list[str] = []


@dataclass(frozen=True)
class TokenRow:
    token: ApiToken
    state: str


@router.get("")
def list_tokens(request: Request, annotator: CurrentAnnotator, database: DatabaseDep) -> Response:
    with database.reading() as session:
        rows = _rows(session, annotator)
    offered = {s: text for s, (role, text) in SCOPES.items() if reaches(annotator.role, role)}
    most_days = tokens.LONGEST_DAYS
    return render(request, "tokens.html", rows=rows, scopes=offered, most_days=most_days)


@router.post("")
def create_token(
    request: Request,
    annotator: CurrentAnnotator,
    database: DatabaseDep,
    form: Annotated[TokenForm, Form()],
) -> Response:
    with database.writing() as session:
        made = tokens.create(
            session,
            annotator,
            scopes=form.scopes,
            days=form.days,
            label=form.label,
            by=annotator,
            now=utc_now(),
        )
        rows = _rows(session, annotator)
    return render(request, "_token.html", made=made, rows=rows)


@router.post("/{token_id}/revoke")
def revoke_token(
    request: Request, annotator: CurrentAnnotator, database: DatabaseDep, token_id: UUID
) -> Response:
    with database.writing() as session:
        tokens.revoke(session, token_id, by=annotator, now=utc_now())
        rows = _rows(session, annotator)
    return render(request, "_tokens.html", rows=rows)


def _rows(session: Session, annotator: Annotator) -> list[TokenRow]:
    now = utc_now()
    return [
        TokenRow(token, tokens.state(token, now=now))
        for token in tokens.list_for(session, annotator)
    ]
