"""`prefloop agreement`: how far annotators agree, in a project or in a plain file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json, open_database

REASONS = {
    "no_overlap": "no item has two such labels",
    "one_category": "all such labels are the same",
    "no_order": "labels have no order",
    "not_numeric": "labels are not numbers",
    "too_few_for_interval": "too few for an interval",
    "not_resampled": "not resampled",
    "too_few_annotators": "fewer than eight annotators",
    "adaptive_overlap": "more judgments were asked for where annotators disagreed",
}
PEOPLE_SHOWN = 20


@command
def agreement(  # noqa: PLR0913, PLR0917 - typer makes an option of each
    slug: Annotated[
        str | None, typer.Option("--project", "-p", help="Name of the project.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="With --project: the same of its slices by guideline, tag, sources, strength or "
            "week.",
            metavar="WHAT",
        ),
    ] = None,
    judgments: Annotated[
        Path | None,
        typer.Option(
            help='Instead of a project: JSONL rows {"item": …, "annotator": …, "label": …}, gzip '
            'too. The label "skip" or null is missing; rows with `repeat` or `gold` do not count. '
            "Kappas are of every pair of annotators, of more than 500 of pairs that share an item."
        ),
    ] = None,
    categories: Annotated[
        str | None,
        typer.Option(help="Labels that could be given; those seen without it.", metavar="A,B,…"),
    ] = None,
    ordinal: Annotated[
        str | None,
        typer.Option(help="Labels in their order; that of numbers without it.", metavar="A,B,…"),
    ] = None,
    tie_label: Annotated[
        str | None,
        typer.Option(help="Label that figures without ties leave out; `tie` without it."),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models of the true labels: dawid-skene, one-coin.", metavar="A,B"),
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(help="Weight of the models' priors; 0 for maximum likelihood.", min=0),
    ] = None,
    priors: Annotated[
        str | None,
        typer.Option(
            help="How likely the models take each label to be before any judgment: estimated (from "
            "the file) or equal.",
            metavar="HOW",
        ),
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option("--bootstrap", help="Resamples for intervals [2000]; 0 for none.", min=0),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the resamples.", min=0)] = None,
    as_json: Json = False,
) -> None:
    """How far annotators agree, with intervals: --project P, or --judgments FILE."""
    given = {
        "--categories": categories,
        "--ordinal": ordinal,
        "--tie-label": tie_label,
        "--models": models,
        "--smoothing": smoothing,
        "--priors": priors,
        "--bootstrap": replicates,
        "--seed": seed,
    }
    if (slug is None) == (judgments is None):
        raise typer.BadParameter("Name either --project P or --judgments FILE.")
    if slug is not None:
        misplaced = [name for name, value in given.items() if value is not None]
        if misplaced:
            raise typer.BadParameter(f"{misplaced[0]} goes with --judgments, not with --project.")
        _of_project(slug, by, as_json=as_json)
        return
    if by is not None:
        raise typer.BadParameter("--by goes with --project, not with --judgments.")
    assert judgments is not None
    for name in ("--smoothing", "--priors"):
        if given[name] is not None and models is None:
            raise typer.BadParameter(f"{name} belongs to --models, which names none.")
    _of_file(judgments, given, as_json=as_json)


def _of_project(slug: str, by: str | None, *, as_json: bool) -> None:
    from app.db import utc_now
    from app.rules.project_statistics import Dimension
    from app.services import agreement as agreement_service
    from app.services import agreement_slices, guidelines, projects, statistics

    if by is not None and by not in agreement_slices.DIVIDED_BY:
        known = ", ".join(agreement_slices.DIVIDED_BY)
        raise typer.BadParameter(f"--by knows {known}, not {by!r}.")
    database = open_database()
    with database.reading() as session:
        project = projects.by_slug(session, slug)
    now = utc_now()
    statistics.catch_up(database, project.id, now=now)
    sums = statistics.read(database, project.id, now=now)
    found = agreement_service.summary(project, sums)
    if by is not None:
        counted = agreement_service.counted_of(project)
        with database.reading() as session:
            versions = guidelines.versions(session, project)
        found |= agreement_slices.answer(sums, Dimension(by), versions, counted=counted)
    if as_json:
        print_json(found)
        return
    _print_statistics(found)
    _print_others(found)
    for one in found.get("slices", ()):
        print(
            f"\n{one['name']}: {one['comparisons']} comparisons, {one['overlap']} judged twice or "
            f"more, {one['contested']} contested"
        )
        _print_statistics(one["statistics"])
    _say_counts(found, "comparisons")
    if found["counted"] == "first_two":
        say(
            "Figures are of each comparison's first two judgments: more were asked for where "
            "annotators disagreed, so all of them are no fair sample."
        )
    if found.get("left_out"):
        say(f"{found['left_out']} more slices are not shown: the smallest, or the earliest.")


def _of_file(path: Path, given: Mapping[str, Any], *, as_json: bool) -> None:
    from app.rules.bootstrap import REPLICATES, SEED, Resampling
    from prefloop.agreement_report import (
        EVERY_PAIR_UP_TO,
        MODELS,
        PRIORS,
        Options,
        agreement_object,
    )
    from prefloop.judgment_file import SKIP, read_judgments

    categories, order, models = (_list(name, given) for name in LISTS)
    unknown = [name for name in models or () if name not in MODELS]
    if unknown:
        raise typer.BadParameter(f"--models knows {' and '.join(MODELS)}, not {unknown[0]!r}.")
    if given["--priors"] not in (None, *PRIORS):
        raise typer.BadParameter(
            f"--priors knows {' and '.join(PRIORS)}, not {given['--priors']!r}."
        )
    if SKIP in (categories or ()):
        raise typer.BadParameter(f"--categories names {SKIP!r}, which is a missing label.")
    replicates, seed, tie_label = (given[n] for n in ("--bootstrap", "--seed", "--tie-label"))
    data = read_judgments(path, categories)
    if tie_label is not None and data.seen and tie_label not in data.labels:
        say(f"No label is {tie_label!r}, so nothing is left out of the figures without ties.")
    found = agreement_object(
        data,
        Options(
            tie_label="tie" if tie_label is None else tie_label,
            order=order,
            models=models or (),
            smoothing=given["--smoothing"],
            equal_priors=given["--priors"] == "equal",
            resampling=Resampling(
                replicates=REPLICATES if replicates is None else replicates,
                seed=SEED if seed is None else seed,
            ),
        ),
    )
    if as_json:
        if found["n_annotators"] > EVERY_PAIR_UP_TO:
            say(f"{found['n_annotators']} annotators: only pairs that share an item are listed.")
        _print_object(found)
        return
    _print_statistics(found)
    _print_others(found)
    _print_people(found)
    _say_counts(found, "items")


LISTS = ("--categories", "--ordinal", "--models")


def _list(name: str, given: Mapping[str, Any]) -> list[str] | None:
    """The parts of a list with commas."""
    if given[name] is None:
        return None
    parts = [part.strip() for part in given[name].split(",")]
    if "" in parts:
        raise typer.BadParameter(f"{name} {given[name]!r} has an empty place.")
    twice = [part for part in parts if parts.count(part) > 1]
    if twice:
        raise typer.BadParameter(f"{name} names {twice[0]!r} twice.")
    return parts


def _print_object(found: Mapping[str, Any]) -> None:
    """A line for each key: readable, and written at once even with a million items."""
    lines = (
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in found.items()
    )
    print("{\n" + ",\n".join(lines) + "\n}")


def _print_statistics(found: Mapping[str, Any]) -> None:
    print_table(
        ["statistic", ">value", "95 % interval", ">n"],
        [
            [name.replace("_", " "), _number(s["value"]), _interval(s), f"{s['n']:,}"]
            for name, s in found.items()
            if isinstance(s, dict) and "value" in s
        ],
    )


def _print_others(found: Mapping[str, Any]) -> None:
    """How far the headline figures may be others where other annotators judge."""
    print("\nWith other annotators and other items, of which n annotators tell:")
    _print_statistics(found["for_other_annotators"])


def _print_people(found: Mapping[str, Any]) -> None:
    """Agreement of each annotator with the others, and what models make of it; the worst first."""
    people = [row for row in found["leave_one_out_by_annotator"] if row["value"] is not None]
    people.sort(key=lambda row: row["value"])
    models = [name for name in ("one_coin", "dawid_skene") if name in found]
    rows = [
        [
            row["annotator"],
            f"{row['n']:,}",
            _number(row["value"]),
            *(_skill(found[name]["annotators"][str(row["annotator"])]) for name in models),
        ]
        for row in people[:PEOPLE_SHOWN]
    ]
    if not rows:
        return
    print()
    skills = (f"{name.replace('_', ' ')} skill" for name in models)
    print_table(["annotator", ">n", ">leave one out", *skills], rows)
    if len(people) > PEOPLE_SHOWN:
        say(f"The lowest {PEOPLE_SHOWN} of {len(people)} annotators; --json has all.")


def _skill(found: Mapping[str, Any]) -> str:
    """Accuracy corrected for chance: 0 for a guesser, whatever labels they favour."""
    skill = found["skill"]
    if skill is None:
        return "undefined"
    return f"{skill['value']:.3f} ({skill['low']:.3f} to {skill['high']:.3f})"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(statistic: Mapping[str, Any]) -> str:
    reason: str | None = statistic["reason"]
    if reason is not None:
        return REASONS.get(reason, reason)
    return f"{statistic['low']:.3f} to {statistic['high']:.3f}"


def _say_counts(found: Mapping[str, Any], what: str) -> None:
    say(
        f"{found['n_judgments']} judgments of {found['n_annotators']} annotators on "
        f"{found['n_items']} {what}, {found['n_items_overlap']} of them judged twice or more."
    )
