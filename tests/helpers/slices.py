"""Imported votes with strengths and days, and what is told of a project's slices."""

from datetime import UTC, date, datetime
from typing import Any

import krippendorff
from helpers.data import NOON, project_of

from app.db import Database
from app.rules.project_statistics import Counted, Dimension, ProjectStatistics
from app.services import agreement_slices, guidelines, statistics
from app.services.agreement_slices import Breakdown

MAY_4, MAY_11 = date(2026, 5, 4), date(2026, 5, 11)
"""Mondays."""
FEW = "too_few_for_interval"
GRADED = ("krippendorff_alpha_graded", "krippendorff_alpha_graded_no_ties")


def voted(
    number: int,
    sources: tuple[str | None, str | None],
    tags: list[str],
    *votes: tuple[int | str, int | None, date],
) -> dict[str, Any]:
    """Votes are a verdict, its strength, and the day on which it was given."""
    return {
        "prompt": f"Question {number}?",
        "completions": [
            {"text": f"{place} {number}", "source": source}
            for place, source in zip(("first", "second"), sources, strict=True)
        ],
        "tags": tags,
        "judgments": [
            {
                "annotator": f"w{i}",
                "verdict": verdict,
                "strength": strength,
                "ended_at": datetime(day.year, day.month, day.day, 9, tzinfo=UTC).isoformat(),
            }
            for i, (verdict, strength, day) in enumerate(votes)
        ],
    }


def read(database: Database) -> ProjectStatistics:
    with database.reading() as session:
        project_id = project_of(session).id
    return statistics.read(database, project_id, now=NOON)


def by(database: Database, dimension: Dimension, counted: Counted = "all") -> Breakdown:
    found = read(database)
    with database.reading() as session:
        versions = guidelines.versions(session, project_of(session))
    return agreement_slices.by(found, dimension, versions, counted=counted)


def told(database: Database, dimension: Dimension) -> dict[str, Any]:
    found = read(database)
    with database.reading() as session:
        versions = guidelines.versions(session, project_of(session))
    return agreement_slices.answer(found, dimension, versions, counted="all")


def graded_peer(grades: list[list[int]]) -> float:
    """Of (N, 7) counts of the grades from -3 to 3."""
    return krippendorff.alpha(
        value_counts=grades, value_domain=list(range(-3, 4)), level_of_measurement="ordinal"
    )
