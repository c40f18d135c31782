"""Running the server: `serve`, `db`, `user`."""

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefloop.console import command, print_json, print_table, say

if TYPE_CHECKING:
    from app.db import Database

db = typer.Typer(help="The database: tables, backups.", no_args_is_help=True)
user = typer.Typer(help="People who sign in.", no_args_is_help=True)
MOST_DIFFERENCES = 20
"""Of a project that are printed."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def open_database(*, migrated: bool = True) -> "Database":
    """The database that PREFLOOP_DATABASE_URL names. Raises where its tables are not there yet."""
    from app import revisions
    from app.db import Database
    from app.errors import InvalidInput
    from app.settings import Settings

    database = Database(Settings().database_url)
    if migrated:
        found, expected = revisions.current(database), revisions.expected()
        if found != expected:
            where = database.url.render_as_string(hide_password=True)
            raise InvalidInput(
                f"The database {where} is at revision {found or 'none'}, this version needs "
                f"{expected}. Run `prefloop db upgrade`."
            )
    return database


@command
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that answer requests; 1 unless PREFLOOP_WORKERS says more."),
    ] = None,
) -> None:
    """Serve the web app on the database that PREFLOOP_DATABASE_URL names."""
    from app.settings import Settings
    from prefloop import serving

    settings = Settings() if workers is None else Settings(workers=workers)
    open_database().dispose()
    listener = serving.hold(host, port)
    address = serving.address_of(listener)
    serving.serve(
        settings, listener, ready=lambda: say(f"Serving on {address}  (stop with Ctrl+C)")
    )


def require_free_port(host: str, port: int) -> None:
    """Raise InvalidInput where something listens there, before any work is done."""
    import socket

    from app.errors import InvalidInput

    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise InvalidInput(
            f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)}). "
            "Choose another --port."
        ) from error


@db.command("upgrade")
@command
def db_upgrade() -> None:
    """Create the tables or bring them to this version. Safe to repeat."""
    from app import migrate, revisions

    database = open_database(migrated=False)
    before = migrate.upgrade(database)
    after = revisions.current(database)
    say(f"Database is up to date ({after})." if before == after else f"{before} -> {after}")


@db.command("check")
@command
def db_check(
    sums: Annotated[
        bool,
        typer.Option(
            "--sums",
            help="Also compute the sums behind the pages from all judgments, minutes for millions.",
        ),
    ] = False,
) -> None:
    """Exit 0 where the database answers and has the tables of this version; with --sums also only
    where every kept sum is what the judgments say."""
    database = open_database()
    if sums:
        _check_sums(database)
    say(f"{database.url.render_as_string(hide_password=True)}: up to date.")


def _check_sums(database: "Database") -> None:
    from sqlalchemy import select

    from app.errors import PrefloopError
    from app.models.projects import Project
    from app.services import full_tallies, projects, queue, statistics

    with database.reading() as session:
        slugs = session.scalars(select(Project.slug).order_by(Project.slug)).all()
    drifted = []
    for slug in slugs:
        say(f"{slug}: adding up all judgments …")
        # One state of the database, so people may go on judging.
        with database.reading() as session:
            project = projects.by_slug(session, slug)
            found = statistics.check(session, project.id)
            found += full_tallies.check(session, project, queue.policy_of(project))
        for line in found[:MOST_DIFFERENCES]:
            print(f"{slug}: {line}")
        if found:
            drifted.append(f"{slug} ({len(found)})")
    if drifted:
        raise PrefloopError(
            f"Kept sums differ from what the judgments say in {', '.join(drifted)}. Pages of these "
            "projects may be wrong, the judgments are not. Report it with the lines above."
        )


@user.command("add")
@command
def user_add(
    name: Annotated[str, typer.Argument(help="Sign-in name, an e-mail address for example.")],
    role: Annotated[str, typer.Option(help="annotator, reviewer or admin.")] = "annotator",
    project: Annotated[str | None, typer.Option(help="A project to work in.")] = None,
) -> None:
    """Add a person. The password is asked for, or read from standard input."""
    from app.db import utc_now
    from app.errors import InvalidInput
    from app.models.accounts import Role
    from app.services import accounts, memberships, projects

    if role not in list(Role):
        raise InvalidInput(f"role is {role!r}; expected one of {', '.join(Role)}.")
    database, now = open_database(), utc_now()
    password = _read_password()
    with database.writing() as session:
        person = accounts.create_person(
            session, name=name, password=password, role=Role(role), now=now
        )
        if project is not None:
            memberships.add(session, projects.by_slug(session, project), person, now=now)
    say(f"{person.name} can sign in as {role}.")


@user.command("list")
@command
def user_list(as_json: Json = False) -> None:
    """Everybody who can sign in."""
    from app.services import accounts

    with open_database().reading() as session:
        people = accounts.list_people(session)
    if as_json:
        print_json(
            [
                {"name": p.name, "role": p.role, "disabled": p.disabled_at is not None}
                for p in people
            ]
        )
        return
    print_table(
        ["name", "role", "state"],
        [[p.name, p.role, "disabled" if p.disabled_at else "active"] for p in people],
    )


@user.command("disable")
@command
def user_disable(name: str) -> None:
    """End a person's sessions and refuse them from now on; their judgments stay."""
    from app.db import utc_now
    from app.services import accounts, people

    with open_database().writing() as session:
        people.disable(session, accounts.find_person(session, name), now=utc_now())
    say(f"{name} is disabled.")


@user.command("enable")
@command
def user_enable(name: str) -> None:
    """Let a disabled person sign in again."""
    from app.db import utc_now
    from app.services import accounts, people

    with open_database().writing() as session:
        people.enable(session, accounts.find_person(session, name), now=utc_now())
    say(f"{name} can sign in again.")


@user.command("reset-password")
@command
def user_reset_password(name: str) -> None:
    """Set a new password and end every session of the person."""
    from app.db import utc_now
    from app.services import accounts

    database, password = open_database(), _read_password()
    with database.writing() as session:
        accounts.reset_password(session, name, password, now=utc_now())
    say(f"{name} has a new password.")


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password (10 characters or more): ")
    return sys.stdin.readline().rstrip("\n")


def home_relative(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
