"""The audit log: `audit verify`, `audit list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json, open_database

if TYPE_CHECKING:
    from app.services.audit import EntryRow

audit = typer.Typer(help="The audit log: is it whole, what does it say.", no_args_is_help=True)


@audit.command("verify")
@command
def verify(
    expect: Annotated[
        str | None,
        typer.Option(help="A last hash that was noted before: it must still be in the log."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the chain of hashes; exit 1 where an entry was changed, moved or removed.

    Note the last hash that it prints somewhere else: with --expect it shows later that nothing was
    cut off the end.
    """
    from app.services import audit as audit_service

    with open_database().reading() as session:
        found = audit_service.verify(session, expect=expect)
    if as_json:
        print_json(
            {"entries": found.entries, "last_hash": found.last_hash, "problem": found.problem}
        )
    else:
        print_table([">entries", "last hash"], [[found.entries, found.last_hash]])
    if found.problem is not None:
        say(f"prefloop: {found.problem}")
        raise typer.Exit(1)
    say("The audit log is whole.")


@audit.command("list")
@command
def list_(
    action: Annotated[str | None, typer.Option(help="Only this action.")] = None,
    name: Annotated[str, typer.Option(help="Only this person or subject, or a part.")] = "",
    page: Annotated[int, typer.Option(help="50 entries a page, newest first.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """What was done, by whom, newest first."""
    from app.errors import InvalidInput
    from app.services import audit as audit_service
    from app.services.audit import Action

    if action is not None and action not in list(Action):
        raise InvalidInput(f"action is {action!r}; expected one of {', '.join(Action)}.")
    with open_database().reading() as session:
        found = audit_service.page_of(
            session, action=Action(action) if action else None, name=name, page=page
        )
    if as_json:
        print_json([_as_json(row) for row in found.rows])
        return
    print_table(
        [">no.", "when (UTC)", "who", "what", "about"],
        [
            [
                row.entry.id,
                f"{row.entry.happened_at:%Y-%m-%d %H:%M:%S}",
                row.who or "–",
                row.entry.action,
                row.entry.subject,
            ]
            for row in found.rows
        ],
    )
    say(f"Page {found.page} of {found.pages}; {found.total} entries.")


def _as_json(row: "EntryRow") -> dict[str, object]:
    return {
        "id": row.entry.id,
        "happened_at": row.entry.happened_at.isoformat(),
        "by": row.name,
        "operating_system_user": row.who if row.name is None else None,
        "action": row.entry.action,
        "subject": row.entry.subject,
        "details": row.entry.details,
        "hash": row.entry.hash,
    }
