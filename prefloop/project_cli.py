"""Working with a project's data: `project`, `import`, `export`."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json, home_relative, open_database

project = typer.Typer(help="Projects.", no_args_is_help=True)
ProjectName = Annotated[str, typer.Option("--project", "-p", help="Name of the project.")]


@project.command("create")
@command
def project_create(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, hyphens.")],
    name: Annotated[str | None, typer.Option(help="Name shown on pages.")] = None,
    question: Annotated[
        str, typer.Option(help="What annotators are asked.")
    ] = "Which response is better?",
    overlap: Annotated[int, typer.Option(help="Judgments wanted for each comparison.")] = 1,
    guideline: Annotated[Path | None, typer.Option(help="Markdown file.")] = None,
) -> None:
    """Create a project."""
    from app.db import utc_now
    from app.errors import InvalidInput
    from app.services import projects

    try:
        text = guideline.read_text(encoding="utf-8") if guideline else None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{guideline}: cannot be read as a text ({error}).") from error
    with open_database().writing() as session:
        projects.create(
            session,
            slug=slug,
            name=name,
            question=question,
            overlap=overlap,
            guideline=text,
            now=utc_now(),
        )
    say(f"Project {slug} is ready. Fill it with `prefloop import --project {slug} FILE`.")


@project.command("list")
@command
def project_list(as_json: Json = False) -> None:
    """Every project with its size."""
    from sqlalchemy import select

    from app.models.projects import Project
    from app.services import overview

    with open_database().reading() as session:
        rows = [
            {"project": p.slug, "name": p.name, **asdict(overview.for_project(session, p))}
            for p in session.scalars(select(Project).order_by(Project.slug))
        ]
    if as_json:
        print_json(rows)
        return
    columns = ["project", "name", ">comparisons", ">judgments", ">annotators"]
    names = [column.removeprefix(">") for column in columns]
    print_table(columns, [[row[name] for name in names] for row in rows])


@project.command("show")
@command
def project_show(slug: str, as_json: Json = False) -> None:
    """What a project holds, how far it is, and how it is judged."""
    from app.rules.policy_text import sentences
    from app.services import overview, projects, queue

    with open_database().reading() as session:
        found = projects.by_slug(session, slug)
        policy = queue.policy_of(found)
        counts = asdict(overview.for_project(session, found))
    if as_json:
        print_json({"project": slug, **counts, "policy": asdict(policy)})
        return
    print_table(
        ["", ">"],
        [[key.replace("_", " "), value] for key, value in counts.items() if isinstance(value, int)],
    )
    print()
    print("\n".join(sentences(policy)))


@project.command("set")
@command
def project_set(
    slug: str,
    overlap: Annotated[
        int | None, typer.Option(help="Judgments wanted for each comparison.")
    ] = None,
    overlap_share: Annotated[
        float | None,
        typer.Option(help="Share of the comparisons, 0 to 1, that get so many; the others get 1."),
    ] = None,
    tag_overlap: Annotated[
        list[str] | None,
        typer.Option(
            help="Another number for comparisons with a tag; 0 ends that. Repeatable.",
            metavar="TAG=N",
        ),
    ] = None,
    adaptive_max: Annotated[
        int | None,
        typer.Option(help="Ask more annotators, up to so many, where they disagree; 0 ends that."),
    ] = None,
    adaptive_confidence: Annotated[
        float | None,
        typer.Option(help="Adaptive: how sure is sure enough, more than 0.75, less than 1."),
    ] = None,
    gold_share: Annotated[
        float | None, typer.Option(help="Share of the work that has a known answer.")
    ] = None,
    repeat_share: Annotated[
        float | None, typer.Option(help="Share of the work that the annotator judged before.")
    ] = None,
    repeat_after_hours: Annotated[
        float | None, typer.Option(help="A repeat comes back no earlier than this.")
    ] = None,
) -> None:
    """Change how a project is judged. What is not named stays; judgments given stay."""
    from app.db import utc_now
    from app.rules.policy_text import sentences
    from app.services import projects, queue, queue_overview

    given = {
        "overlap": overlap,
        "overlap_share": overlap_share,
        "adaptive_max": adaptive_max,
        "adaptive_confidence": adaptive_confidence,
        "gold_share": gold_share,
        "repeat_share": repeat_share,
        "repeat_after_hours": repeat_after_hours,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    by_tag = dict(map(_tag_overlap, tag_overlap or []))
    if not changes and not by_tag:
        raise typer.BadParameter("Nothing to change was named.")
    if adaptive_max == 0:
        changes["adaptive_max"] = None
    with open_database().writing() as session:
        found = projects.by_slug(session, slug)
        before = queue.policy_of(found)
        tags = {tag: n for tag, n in {**before.overlap_by_tag, **by_tag}.items() if n}
        policy = replace(before, overlap_by_tag=tags, **changes)
        queue_overview.change_policy(session, found, policy, by=None, now=utc_now())
    say("\n".join(sentences(policy)))


def _tag_overlap(given: str) -> tuple[str, int]:
    tag, _, number = given.rpartition("=")
    if not tag or not number.isdecimal():
        raise typer.BadParameter(f"{given!r} is no tag with a number; write TAG=N.")
    return tag.strip(), int(number)


@command
def import_(
    files: Annotated[list[Path], typer.Argument(help="JSONL, JSON or CSV, gzip too.")],
    slug: ProjectName,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML file that names the paths of another layout.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected records go [NAME.rejects.jsonl].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import prompts, completions, demonstrations and judgments. Repeating it adds nothing.

    A record may say how its comparison is judged: `priority` (a whole number, the largest come
    first), `overlap` (judgments wanted, instead of the project's), `annotator_group` (who may judge
    it), or `gold` (the known answer, written as a verdict: 1, 2, tie, both_bad). Of a comparison
    that is there already, what the record names is changed, null takes it back, and what it leaves
    out stays. A comparison is gold from its first import or never.

    A record that cannot be taken never stops the rest: it goes to the rejects file with its reason.
    """
    from app.db import utc_now
    from app.services import imports
    from app.services.import_mapping import Mapper

    database, mapper = open_database(), Mapper.load(mapping) if mapping else None
    for path in files:
        summary = imports.import_file(
            database,
            slug,
            path,
            mapper=mapper,
            now=utc_now(),
            progress=partial(_print_progress, path),
        )
        rejects_path = None
        if summary.rejected:
            rejects_path = rejects or Path(f"{path.name}.rejects.jsonl")
            imports.write_rejects(summary, rejects_path)
        if as_json:
            print_json(
                {
                    "file": str(path),
                    "records": summary.records,
                    "added": summary.added,
                    "updated": summary.updated,
                    "already_there": summary.already_there,
                    "rejected": len(summary.rejected),
                    "rejects_file": str(rejects_path) if rejects_path else None,
                }
            )
            continue
        _print_summary(path, summary, rejects_path)


def _print_progress(path: Path, records: int) -> None:
    if records % 5000 == 0:
        say(f"{path.name}: {records} records")


def _print_summary(path: Path, summary: Any, rejects_path: Path | None) -> None:
    added = [f"{n} {table}" for table, n in summary.added.items() if n]
    say(f"{path.name}: {summary.records} records; added {', '.join(added) or 'nothing'}.")
    if summary.updated:
        say(
            f"  {summary.updated} comparisons that were there got another priority, overlap, group "
            "or known answer."
        )
    if summary.already_there:
        say(f"  {summary.already_there} records were there already.")
    if rejects_path is not None:
        first = summary.rejected[0]
        say(
            f"  {len(summary.rejected)} records were rejected, the first at line {first.line}: "
            f"{first.reason}. All are in {home_relative(rejects_path)}."
        )


@command
def export(
    slug: ProjectName,
    out: Annotated[Path, typer.Option(help="Folder to make; must not exist.")],
    rows: Annotated[str, typer.Option(help="aggregated: a row a pair; judgments.")] = "aggregated",
    ties: Annotated[str, typer.Option(help="drop or keep pairs without a majority.")] = "drop",
    slight: Annotated[
        str, typer.Option(help="keep or drop pairs of which one is slightly better.")
    ] = "keep",
    as_json: Json = False,
) -> None:
    """Write a project as an export bundle, which is all that training needs."""
    from app.db import utc_now
    from app.services import exports

    options = exports.ExportOptions(rows=rows, ties=ties, slight=slight)  # type: ignore[arg-type]
    result = exports.export_project(open_database(), slug, out, options, now=utc_now())
    counts = result.manifest["counts"]
    if as_json:
        print_json(
            {"bundle": str(out), "counts": counts, "manifest_sha256": result.manifest_sha256}
        )
        return
    kinds = [kind for kind in ("preferences", "prompts", "demonstrations") if kind in counts]
    print_table(
        ["rows", ">train", ">validation", ">test"],
        [[kind, *counts[kind].values()] for kind in kinds],
    )
    empty = [split for split, n in counts["preferences"].items() if n == 0]
    if empty:
        say(
            f"No preferences are in {' and '.join(empty)}: whole prompts (or groups of prompts) "
            "go to one split, and there are few of them."
        )
    say(f"Bundle written to {home_relative(out)}.")
