"""Completions of a policy as new comparisons of a project: `prefloop generate --project`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.db import Database, utc_now
from app.services import imports, projects
from app.services.import_files import Record
from prefloop.console import say
from prefloop.server_cli import open_database

FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """Import records of the prompts that have two different completions or more."""

    records: list[Record]
    dropped: int
    """Completions that are empty, or say the same as an earlier one of their prompt."""
    left_out: int
    """Prompts with nothing to compare."""


def open_project(slug: str) -> Database:
    """The database, once it is certain that it holds the project."""
    database = open_database()
    with database.reading() as session:
        projects.by_slug(session, slug)
    return database


def comparable(rows: Iterable[Mapping[str, Any]]) -> Comparable:
    """Rows of `generate` without what annotators could not compare."""
    records, dropped, left_out = [], 0, 0
    for line, row in enumerate(rows, start=1):
        distinct = {
            completion["text"].strip(): {name: completion[name] for name in ("text", "source")}
            for completion in reversed(row["completions"])
            if completion["text"].strip()
        }
        completions = list(reversed(distinct.values()))
        dropped += len(row["completions"]) - len(completions)
        if len(completions) < FEWEST:
            left_out += 1
        else:
            value = {"prompt": row["prompt"], "completions": completions}
            records.append(Record(line=line, value=value))
    return Comparable(records=records, dropped=dropped, left_out=left_out)


def import_comparisons(
    database: Database, slug: str, rows: Iterable[Mapping[str, Any]]
) -> imports.ImportSummary:
    """Store them as comparisons to judge, and say on stderr what came of it."""
    found = comparable(rows)
    summary = imports.import_records(database, slug, found.records, now=utc_now())
    say(f"{slug}: {summary.added.get('comparisons', 0)} new comparisons to judge.")
    if found.dropped:
        say(f"  {found.dropped} completions left out: empty, or the same as another of the prompt.")
    if found.left_out:
        say(f"  {found.left_out} prompts left out: fewer than two different completions.")
    if summary.already_there:
        say(f"  {summary.already_there} comparisons were there already.")
    for rejected in summary.rejected:
        say(f"  Prompt {rejected.line} was rejected: {rejected.reason}.")
    return summary
