"""`prefloop demo`: the whole loop on a small project, then the web app on it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json, home_relative, require_free_port
from prefloop.train_cli import one_sentence

if TYPE_CHECKING:
    from app.db import Database
    from prefloop.demo.run import DemoResult


MARKER = ".prefloop-demo"
MADE = {
    *(MARKER, "demo.db", "demo.db-wal", "demo.db-shm", "result.json", "report.html"),
    *("bundle", "exports", "tiny", "sft", "rm", "ppo"),
}


@command
@one_sentence
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the database, the bundle and the runs.")
    ] = Path("var/demo"),
    seed: Annotated[int, typer.Option(help="Of drafts, annotators and training.")] = 0,
    serve: Annotated[bool, typer.Option(help="Serve the app on the project at the end.")] = True,
    port: Annotated[int, typer.Option(help="Port to serve on.", min=1, max=65535)] = 8000,
    as_json: Json = False,
) -> None:
    """Run the whole loop on a small project with simulated annotators, then serve it.

    The folder of an earlier demo is made anew; a folder that holds anything else is refused.
    """
    from app.db import Database
    from prefloop.demo.run import demo_recipe, run_demo, write_result

    if serve:
        require_free_port("127.0.0.1", port)
    _make_room(out)
    database = Database(f"sqlite:///{out / 'demo.db'}")
    result = run_demo(database, out, seed=seed, recipe=demo_recipe(seed=seed))
    write_result(result, out / "result.json")
    if as_json:
        print_json(result.as_dict())
    else:
        _print(result)
    say(f"Report: {home_relative(out / 'report.html')}")
    if serve:
        _serve(database, out, port)


def _make_room(out: Path) -> None:
    """Remove an earlier demo from its folder. Raises where anything there is not a demo's."""
    from app.errors import InvalidInput

    out.mkdir(parents=True, exist_ok=True)
    found = sorted(entry.name for entry in out.iterdir())
    foreign = [name for name in found if name not in MADE]
    if found and (foreign or MARKER not in found):
        raise InvalidInput(
            f"{out} holds {(foreign or found)[0]}, which no demo put there; give another --out."
        )
    for name in found:
        entry = out / name
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (out / MARKER).touch()


def _print(result: "DemoResult") -> None:
    from prefloop.demo.run import demo_lines

    rows: list[list[object]] = [[name, value] for name, value in demo_lines(result)]
    rows += [
        ["asked", result.before.example[0]],
        ["answered before", result.before.example[1]],
        ["answered after", result.after.example[1]],
        ["seconds", ", ".join(f"{stage} {n:.0f}" for stage, n in result.seconds.items())],
    ]
    print_table(["", ""], rows)


def _serve(database: "Database", out: Path, port: int) -> None:
    from app.db import utc_now
    from app.models.accounts import Role
    from app.services import accounts, projects
    from app.settings import Settings
    from prefloop import serving
    from prefloop.demo.run import OVERLAP, SLUG

    listener = serving.hold("127.0.0.1", port)
    address = serving.address_of(listener)
    with database.writing() as session:
        admin = accounts.create_person(
            session, name="demo admin", password=None, role=Role.ADMIN, now=utc_now()
        )
        token = accounts.create_sign_in_link(session, admin, now=utc_now())
        # The simulated annotators have judged all they were asked to: the visitor comes on top.
        projects.set_overlap(session, projects.by_slug(session, SLUG), OVERLAP + 1)
    database.dispose()
    settings = Settings(
        database_url=database.url.render_as_string(), exports_dir=out / "exports", workers=1
    )
    link = f"{address}/invitations/{token}"

    def welcome() -> None:
        say(f"\nServing on {address}  (stop with Ctrl+C)")
        say(f"Sign in once with  {link}")

    serving.serve(settings, listener, ready=welcome)
