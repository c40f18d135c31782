"""`prefloop align`: from a project's labels to a policy."""

from pathlib import Path
from typing import Annotated

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.project_cli import ProjectName
from prefloop.server_cli import Json, home_relative, open_database
from prefloop.train_cli import one_sentence


@command
@one_sentence
def align(
    slug: ProjectName,
    model: Annotated[
        str,
        typer.Option(help="A model folder, a Hugging Face id, or `tiny` for a small random one."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the bundle and the runs.")],
    recipe: Annotated[
        Path | None, typer.Option(help="YAML with the sections tiny, sft, rm and ppo.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with what is in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Export a project, train SFT, reward model and PPO, and write the report."""
    from app.db import utc_now
    from app.services import exports, runs
    from prefloop.alignment import align_bundle, headline, load_recipe, summary

    settings = load_recipe(recipe)
    database, bundle = open_database(), out / "bundle"
    if not (resume and (bundle / "manifest.json").is_file()):
        exports.export_project(database, slug, bundle, exports.ExportOptions(), now=utc_now())
        say(f"Bundle written to {home_relative(bundle)}.")
    result = align_bundle(bundle, model, out, settings, resume=resume)
    with database.writing() as session:
        runs.record_stages(session, slug, out, summary(result), now=utc_now())
    if as_json:
        print_json(summary(result))
        return
    print_table(["", ""], [list(line) for line in headline(result)])
    say(f"Policy: {home_relative(result.ppo.model)}. Report: {home_relative(out / 'report.html')}.")
