"""Agreement by what comparisons are divided by: guideline versions, tags, sources, strength, week.

Read from a project's sums (`statistics.read`); intervals resample 256 random groups of prompts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, get_args
from uuid import UUID

from app.models.projects import GuidelineVersion
from app.rules.agreement import statistics_of
from app.rules.bootstrap import Statistic
from app.rules.contributions import LABELS
from app.rules.project_statistics import Counted, Dimension, ProjectStatistics, Slice, Value
from app.rules.project_sums import Name
from app.services.agreement import ORDER, TIES, graded_alpha
from app.services.comparison_filters import ComparisonFilter

MOST_SLICES = 40
"""Of tags and pairs of sources, the largest."""
MOST_WEEKS = 104
IS_TIE = [label in TIES for label in LABELS]
By = Literal["guideline", "tag", "sources", "strength", "week"]
DIVIDED_BY = get_args(By)
UNKNOWN_SOURCE = "unknown"


@dataclass(frozen=True, kw_only=True)
class SliceAgreement:
    name: str
    value: Value
    wanted: ComparisonFilter
    """The comparisons that have it."""
    comparisons: int
    """Those with a judgment."""
    overlap: int
    """Those with two or more."""
    contested: int
    """Those with different verdicts."""
    statistics: dict[str, Statistic]
    """Those asked for, by their names in a report."""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    dimension: Dimension
    rows: list[SliceAgreement]
    left_out: int
    """Slices beyond those shown: the smallest, or the earliest weeks."""


def by(
    statistics: ProjectStatistics,
    dimension: Dimension,
    versions: Sequence[GuidelineVersion],
    names: Collection[str] | None = None,
    *,
    counted: Counted,
) -> Breakdown:
    """`versions` are those of the project's guideline; `names` are the statistics that are wanted,
    all of a report without it, and `counted` the judgments that they are measured on."""
    numbers = {version.id: version.version for version in versions}
    found = statistics.slices(dimension)
    if dimension is Dimension.GUIDELINE:
        found = sorted(found, key=lambda one: numbers.get(_id(one.value), 0))
    most = MOST_WEEKS if dimension is Dimension.WEEK else MOST_SLICES
    # Weeks are in their order, and the latest ones say most; versions likewise.
    is_timed = dimension in (Dimension.WEEK, Dimension.GUIDELINE)
    shown = found[-most:] if is_timed else found[:most]
    return Breakdown(
        dimension=dimension,
        rows=[_row(statistics, dimension, one, numbers, names, counted) for one in shown],
        left_out=len(found) - len(shown),
    )


def answer(
    statistics: ProjectStatistics,
    dimension: Dimension,
    versions: Sequence[GuidelineVersion],
    *,
    counted: Counted,
) -> dict[str, Any]:
    """All slices with all their statistics, as programs read them."""
    found = by(statistics, dimension, versions, counted=counted)
    return {
        "by": found.dimension,
        "left_out": found.left_out,
        "waiting": statistics.waiting,
        "slices": [
            {
                "name": row.name,
                "value": _plain(row),
                "comparisons": row.comparisons,
                "overlap": row.overlap,
                "contested": row.contested,
                "statistics": {name: asdict(s) for name, s in row.statistics.items()},
            }
            for row in found.rows
        ],
    }


def _plain(row: SliceAgreement) -> str | int | tuple[Name, Name] | None:
    """The value of a slice; of a guideline, the number of its version."""
    match row.value:
        case date():
            return row.value.isoformat()
        case UUID():
            return row.wanted.version
    return row.value


def _row(
    statistics: ProjectStatistics,
    dimension: Dimension,
    one: Slice,
    numbers: Mapping[UUID, int],
    names: Collection[str] | None,
    counted: Counted,
) -> SliceAgreement:
    table = statistics.table(dimension, one.value)
    measured = table
    if counted == "first_two":
        measured = statistics.table(dimension, one.value, counted=counted)
    name, wanted = _named(dimension, one.value, numbers)
    return SliceAgreement(
        name=name,
        value=one.value,
        wanted=wanted,
        comparisons=one.comparisons,
        overlap=int(table.items[table.counts.sum(axis=1) > 1].sum()),
        contested=int(table.items[(table.counts > 0).sum(axis=1) > 1].sum()),
        statistics=statistics_of(measured, IS_TIE, ORDER, names)
        | graded_alpha(statistics, dimension, one.value, names, counted=counted),
    )


def _named(
    dimension: Dimension, value: Value, numbers: Mapping[UUID, int]
) -> tuple[str, ComparisonFilter]:
    match dimension, value:
        case Dimension.TAG, str():
            return value, ComparisonFilter(show="judged", tag=value)
        case Dimension.SOURCES, (one, other):
            names = (one or "", other or "")
            text = " and ".join(name or UNKNOWN_SOURCE for name in names)
            return text, ComparisonFilter(show="judged", sources=names)
        case Dimension.GUIDELINE, None:
            return "No guideline", ComparisonFilter(show="judged", version=0)
        case Dimension.GUIDELINE, UUID():
            number = numbers[value]
            return f"Version {number}", ComparisonFilter(show="judged", version=number)
        case Dimension.STRENGTH, int():
            names_of = {1: "Slightly better", 2: "Clearly better", 3: "Much better"}
            return names_of[value], ComparisonFilter(show="judged", strength=value)
        case Dimension.WEEK, date():
            return f"{value}", ComparisonFilter(show="judged", week=value)
    raise TypeError(f"{value!r} is no value of the dimension {dimension}")


def _id(value: Value) -> UUID:
    return value if isinstance(value, UUID) else UUID(int=0)
