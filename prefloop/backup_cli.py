"""`prefloop db backup` and `prefloop db restore`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefloop.console import command, say
from prefloop.server_cli import open_database

if TYPE_CHECKING:
    from app.db import Database
    from app.services.backup_postgres import PostgresPrograms


@command
def backup(file: Annotated[Path, typer.Argument(help="A new file to write.")]) -> None:
    """Write all that is stored now into one file, while the server goes on. PostgreSQL needs
    pg_dump, pg_restore and psql on PATH or in the folder PG_BIN."""
    from app.db import utc_now
    from app.services import backup as backups

    database = open_database(migrated=False)
    backups.back_up(database, file, _programs(), now=utc_now())
    say(f"{file}: {file.stat().st_size:,} bytes, checked.")


@command
def restore(
    file: Annotated[Path, typer.Argument(help="What `prefloop db backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is there, unasked.")] = False,
) -> None:
    """Replace everything in the database by a backup, after checking that it is whole."""
    from app import revisions
    from app.db import utc_now
    from app.services import backup as backups

    database = open_database(migrated=False)
    try:
        revision = backups.revision_of(database, file, _programs())
        _confirm(database, yes)
        backups.restore(database, file, _programs(), now=utc_now())
        say(f"Restored {backups.contents(database)}.")
    finally:
        database.dispose()
    if revision != revisions.expected():
        say(f"Brought from revision {revision} to {revisions.expected()}.")


def _confirm(database: "Database", yes: bool) -> None:
    """Say what would be replaced, and ask."""
    from app.errors import InvalidInput
    from app.services import backup as backups

    before = backups.contents(database)
    if before is None:
        return
    where = database.url.render_as_string(hide_password=True)
    say(f"{where} holds {before}. They will be replaced.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("Nobody is there to confirm this; add --yes to replace what is there.")
    typer.confirm("Go on?", abort=True, err=True)


def _programs() -> "PostgresPrograms":
    from app.services.backup_postgres import PostgresPrograms

    folder = os.environ.get("PG_BIN")
    return PostgresPrograms(Path(folder) if folder else None)
