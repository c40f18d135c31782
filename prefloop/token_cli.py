"""Tokens for programs that use the API: `prefloop token create | list | revoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json, open_database

if TYPE_CHECKING:
    from datetime import datetime

    from app.models.accounts import ApiToken

token = typer.Typer(help="Tokens for programs that use the API.", no_args_is_help=True)


@token.command("create")
@command
def token_create(
    name: Annotated[str, typer.Option("--user", help="Whose token it is.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", help="annotate, read, import or export; repeatable.")
    ],
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 90,
    label: Annotated[str, typer.Option(help="What it is for.")] = "made on the command line",
    as_json: Json = False,
) -> None:
    """Make a token and print it, which happens only this once."""
    from app.db import utc_now
    from app.services import accounts, tokens

    now = utc_now()
    with open_database().writing() as session:
        owner = accounts.find_person(session, name)
        made = tokens.create(
            session, owner, scopes=scopes, days=days, label=label, by=None, now=now
        )
    if as_json:
        print_json({"token": made.text, **_shown(made.row, owner.name, now=now)})
        return
    say(
        f"Token {made.row.id} of {owner.name} for {', '.join(made.row.scopes)}, until "
        f"{made.row.expires_at:%Y-%m-%d}. It is shown only now:"
    )
    print(made.text)


@token.command("list")
@command
def token_list(
    name: Annotated[str | None, typer.Option("--user", help="Only this person's.")] = None,
    as_json: Json = False,
) -> None:
    """Every token, newest first; never its text."""
    from app.db import utc_now
    from app.services import accounts, tokens

    now = utc_now()
    with open_database().reading() as session:
        if name is None:
            found = tokens.list_all(session)
        else:
            owner = accounts.find_person(session, name)
            found = [(row, owner.name) for row in tokens.list_for(session, owner)]
    rows = [_shown(row, owner_name, now=now) for row, owner_name in found]
    if as_json:
        print_json(rows)
        return
    columns = ["id", "user", "label", "scopes", "state", "expires", "last used"]
    print_table(
        columns,
        [
            [
                row["id"],
                row["user"],
                row["label"],
                ", ".join(row["scopes"]),
                row["state"],
                row["expires_at"][:10],
                (row["last_used_at"] or "never")[:16].replace("T", " "),
            ]
            for row in rows
        ],
    )


@token.command("revoke")
@command
def token_revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `prefloop token list` shows.")],
    as_json: Json = False,
) -> None:
    """End a token at once."""
    from app.db import utc_now
    from app.errors import InvalidInput
    from app.models.accounts import Annotator
    from app.services import tokens

    try:
        wanted = UUID(token_id)
    except ValueError as error:
        raise InvalidInput(
            f"{token_id!r} is no id of a token; `prefloop token list` shows them."
        ) from error
    now = utc_now()
    with open_database().writing() as session:
        row = tokens.revoke(session, wanted, by=None, now=now)
        owner = session.get_one(Annotator, row.annotator_id)
    if as_json:
        print_json(_shown(row, owner.name, now=now))
        return
    say(f"Token {row.id} of {owner.name} is revoked.")


def _shown(row: ApiToken, owner: str, *, now: datetime) -> dict[str, Any]:
    from app.services import tokens

    return {
        "id": str(row.id),
        "user": owner,
        "label": row.label,
        "scopes": row.scopes,
        "state": tokens.state(row, now=now),
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
    }
