"""Fills an empty database with a project of many comparisons, each judged three times of four.

    python -m benchmarks.seed DATABASE_URL COMPARISONS

Small things are stored through the services, the millions of rows with the sums over them in bulk
(`rows.py`, `sums.py`, `bulk.py`); the server's own code builds the state of the statistics.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.engine import URL, make_url

from app import migrate
from app.db import Database
from app.models.accounts import Role
from app.services import accounts, guidelines, projects, statistics
from benchmarks import bulk, rows

SLUG = "bench"
ADMIN = "admin"
CREATED = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
GUIDELINE = "# Guideline\n\nPrefer the response that helps the reader more.\n"


def annotator_name(number: int) -> str:
    return f"annotator-{number:03}"


def seed(url: URL, *, comparisons: int, random_seed: int = 1) -> dict[str, float]:
    """Bring an empty database to the current schema and fill it; gives the seconds of each step."""
    database = Database(url.render_as_string(hide_password=False))
    migrate.upgrade(database)
    project = _create_project(database)
    # Bulk loading drops indexes, which no other connection may be using.
    database.dispose()
    seconds = {}
    started = time.perf_counter()
    bulk.load(url, rows.chunks(project, comparisons, random_seed))
    seconds["rows"] = time.perf_counter() - started
    started = time.perf_counter()
    bulk.analyze(url)
    seconds["analyze"] = time.perf_counter() - started
    started = time.perf_counter()
    database = Database(url.render_as_string(hide_password=False))
    statistics.catch_up(database, UUID(hex=project.id), now=CREATED)
    database.dispose()
    seconds["statistics"] = time.perf_counter() - started
    return seconds


def _create_project(database: Database) -> rows.Project:
    with database.writing() as session:
        project = projects.create(
            session, slug=SLUG, overlap=rows.OVERLAP, guideline=GUIDELINE, now=CREATED
        )
        version = guidelines.current(session, project)
        assert version is not None, "it was published with the project"
        people = [
            accounts.create_person(
                session, name=annotator_name(i), password=None, role=Role.ANNOTATOR, now=CREATED
            )
            for i in range(rows.ANNOTATORS)
        ]
        for person in people:
            projects.add_member(session, project, person, now=CREATED)
            guidelines.confirm_reading(session, version, person, now=CREATED)
        accounts.create_person(session, name=ADMIN, password=None, role=Role.ADMIN, now=CREATED)
        return rows.Project(project.id.hex, version.id.hex, [p.id.hex for p in people])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url", help="sqlite:///file.db or postgresql+psycopg://…, empty")
    parser.add_argument("comparisons", type=int)
    options = parser.parse_args()
    for step, seconds in seed(make_url(options.url), comparisons=options.comparisons).items():
        print(f"{step:10} {seconds:7.1f} s")


if __name__ == "__main__":
    main()
