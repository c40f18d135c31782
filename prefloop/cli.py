"""The `prefloop` command: puts the groups of commands together. Each command imports what it needs
when it runs, so that `--help` is quick and a trainer needs no server."""

import os

import typer

from prefloop import backup_cli, project_cli, server_cli, token_cli, train_cli
from prefloop.agreement_cli import agreement
from prefloop.align_cli import align
from prefloop.audit_cli import audit
from prefloop.demo_cli import demo
from prefloop.ratings_cli import ratings

app = typer.Typer(
    name="prefloop",
    help="Human preferences in, an aligned language model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(demo)
app.command()(server_cli.serve)
server_cli.db.command("backup")(backup_cli.backup)
server_cli.db.command("restore")(backup_cli.restore)
app.add_typer(server_cli.db, name="db")
app.add_typer(server_cli.user, name="user")
app.add_typer(audit, name="audit")
app.add_typer(token_cli.token, name="token")
app.add_typer(project_cli.project, name="project")
app.command("import")(project_cli.import_)
app.command()(agreement)
app.command()(ratings)
app.command()(project_cli.export)
app.add_typer(train_cli.app, name="train")
app.command()(align)
app.command()(train_cli.score)
app.command()(train_cli.generate)
app.command("tiny-model")(train_cli.tiny_model)
app.command()(train_cli.report)


def main() -> None:
    # Threads that wait by spinning make a tiny model ten times slower on cores that others use too
    # (docs/experiments.md). OpenMP reads this when torch is loaded, which no command has done yet.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()
