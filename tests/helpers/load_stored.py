"""What a database holds after a run, read by plain SQL through the database's own driver.

Nothing of `app` is used here or in the checks, so that a mistake there cannot hide itself. Ids are
hex without hyphens, times are UTC, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

Row = dict[str, Any]

LISTS = ("shown_order", "ranking", "tags", "groups", "settings")
DAYS = ("received_at", "skipped_at", "day")
QUERIES = {
    "comparisons": """
        SELECT id, prompt_id, kind, size, target, open_slots, judged, contested,
               n_first, n_second, n_tie, n_both_bad FROM comparisons""",
    "members": "SELECT comparison_id, position, completion_id FROM comparison_completions",
    "completions": "SELECT id, text FROM completions",
    "assignments": """
        SELECT id, comparison_id, annotator_id, state, kind, repeat, shown_order
        FROM assignments""",
    "judgments": """
        SELECT id, comparison_id, annotator_id, assignment_id, verdict, preferred_id, strength,
               shown_order, kind, late, idempotency_key, received_at,
               received_at AS moment FROM judgments""",
    "preferences": "SELECT judgment_id, chosen_id, rejected_id, comparison_id FROM preferences",
    "skips": "SELECT assignment_id, annotator_id, skipped_at FROM skips",
    "days": "SELECT * FROM annotator_days",
    "votes": "SELECT * FROM vote_counts",
    "projects": "SELECT id, settings FROM projects",
}
UNFINISHED = """
    SELECT COUNT(*) AS n FROM comparisons c
    WHERE c.kind = 'normal' AND c.target > (
        SELECT COUNT(DISTINCT j.annotator_id) FROM judgments j
        WHERE j.comparison_id = c.id AND j.kind <> 'repeat')"""


@dataclass(frozen=True)
class Stored:
    """The tables that the checks look at."""

    comparisons: list[Row]
    members: list[Row]
    completions: list[Row]
    assignments: list[Row]
    judgments: list[Row]
    preferences: list[Row]
    skips: list[Row]
    days: list[Row]
    votes: list[Row]
    projects: list[Row]

    @classmethod
    def read(cls, url: str) -> Stored:
        return cls(**{name: query(url, statement) for name, statement in QUERIES.items()})


def unfinished(url: str) -> int:
    """How many comparisons have fewer annotators than they want."""
    (row,) = query(url, UNFINISHED)
    found: int = row["n"]
    return found


LAST_LEASE = "SELECT MAX(lease_expires_at) AS lease_end FROM assignments WHERE state = 'leased'"


def seconds_on_lease(url: str) -> float:
    """How long until every lease has ended; 0 where they all have."""
    (row,) = query(url, LAST_LEASE)
    end = row["lease_end"]
    if end is None:
        return 0
    if isinstance(end, str):
        end = datetime.fromisoformat(end).replace(tzinfo=UTC)
    seconds: float = (end - datetime.now(UTC)).total_seconds()
    return max(0, seconds)


def query(url: str, statement: str) -> list[Row]:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(f"file:{address.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [_plain(dict(row)) for row in connection.execute(statement)]
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, row_factory=dict_row) as connection:
        return [_plain(row) for row in connection.execute(statement)]


def _plain(row: Row) -> Row:
    for name, value in row.items():
        if value is None:
            continue
        if name == "id" or name.endswith("_id"):
            row[name] = str(value).replace("-", "")
        elif name in LISTS and isinstance(value, str):
            row[name] = json.loads(value)
        elif name in DAYS:
            row[name] = _day(value)
    return row


def _day(value: str | date | datetime) -> str:
    """The UTC day, as ISO text. SQLite keeps times as text in UTC."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    return str(value)[:10]
