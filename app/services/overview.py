"""How far a project is, in numbers.

They come from the sums that are kept beside the rows (`models/tallies.py`) and from indexes, so
that the page over millions of judgments opens at once.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import Session

from app.models.judgments import Assignment, Flag, Verdict
from app.models.projects import Comparison, Project
from app.models.tallies import AnnotatorDay, ProjectContent
from app.services import comparisons

DAYS_SHOWN = 30
DAY_SUMS = ("judged", "counted", "skipped", *Verdict)


@dataclass(frozen=True, kw_only=True)
class Overview:
    prompts: int
    completions: int
    demonstrations: int
    comparisons: int
    """Without gold, which is never finished."""
    open_comparisons: int
    """Those that somebody may still be asked about."""
    gold: int
    finished_comparisons: int
    """Those that want no further judgment and that nobody has on lease."""
    judgments: int
    """All of them, gold and repeats too."""
    counted_judgments: int
    """Those that agreement and exports are made of."""
    annotators: int
    skips: int
    flags: int
    verdicts: dict[str, int]
    """Of the counted judgments."""
    judgments_by_day: list[tuple[str, int]]
    """(ISO date in UTC, judgments received), the last 30 days that have any."""


def for_project(session: Session, project: Project) -> Overview:
    content = session.get(ProjectContent, project.id) or ProjectContent(
        prompts=0, completions=0, demonstrations=0, comparisons=0
    )
    gold = comparisons.count(session, project, "gold")
    normal = content.comparisons - gold
    n_open = comparisons.count(session, project, "open")
    unfinished = n_open + last_leased(session, project)
    days = _days(session, project)
    sums = {name: sum(day[name] for day in days) for name in DAY_SUMS}
    judges = select(func.count(AnnotatorDay.annotator_id.distinct())).where(
        AnnotatorDay.project_id == project.id, AnnotatorDay.judged > 0
    )
    return Overview(
        prompts=content.prompts,
        completions=content.completions,
        demonstrations=content.demonstrations,
        comparisons=normal,
        open_comparisons=n_open,
        gold=gold,
        finished_comparisons=normal - unfinished,
        judgments=sums["judged"],
        counted_judgments=sums["counted"],
        annotators=_count(session, judges),
        skips=sums["skipped"],
        flags=_count(session, select(func.count(Flag.id)).where(Flag.project_id == project.id)),
        verdicts={str(verdict): sums[verdict] for verdict in Verdict if sums[verdict]},
        judgments_by_day=[(day["day"].isoformat(), day["judged"]) for day in days if day["judged"]][
            -DAYS_SHOWN:
        ],
    )


def last_leased(session: Session, project: Project) -> int:
    """Comparisons whose last wanted judgments somebody has on lease."""
    return _count(
        session,
        select(func.count(Comparison.id.distinct()))
        .join(Assignment, Assignment.comparison_id == Comparison.id)
        .where(
            Assignment.project_id == project.id,
            # As the index says it.
            literal_column("assignments.state = 'leased'"),
            Assignment.kind == "normal",
            Comparison.open_slots == 0,
        ),
    )


def _days(session: Session, project: Project) -> list[dict[str, Any]]:
    """The sums of each day, oldest first."""
    sums = [func.sum(getattr(AnnotatorDay, name)).label(name) for name in DAY_SUMS]
    rows = session.execute(
        select(AnnotatorDay.day, *sums)
        .where(AnnotatorDay.project_id == project.id)
        .group_by(AnnotatorDay.day)
        .order_by(AnnotatorDay.day)
    )
    return [dict(row) for row in rows.mappings()]


def _count(session: Session, query: Select[int]) -> int:
    return session.scalar(query) or 0
