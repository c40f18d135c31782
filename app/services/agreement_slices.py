"""Agreement by what comparisons are divided by: guideline versions, tags, sources, strength, week.

Read from a project's sums (`statistics.read`); intervals resample 32 random groups of prompts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.models.projects import GuidelineVersion
from app.rules.agreement import Table, estimate
from app.rules.bootstrap import FEWEST_UNITS, Statistic
from app.rules.coefficients import percent_agreement
from app.rules.contributions import GRADES, LABELS
from app.rules.krippendorff import krippendorff_alpha_nominal, krippendorff_alpha_ordinal
from app.rules.project_statistics import Dimension, ProjectStatistics, Slice, Value
from app.services.comparison_filters import ComparisonFilter

MOST_SLICES = 40
"""Of tags and pairs of sources, the largest."""
MOST_WEEKS = 104
DECISIVE = [LABELS.index("first"), LABELS.index("second")]
DIVIDED_BY = tuple(Dimension)[1:]
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
    agreement: Statistic
    without_ties: Statistic
    alpha: Statistic
    chance: float | None

    @property
    def is_faint(self) -> bool:
        """Too few comparisons to read anything into."""
        return self.overlap < FEWEST_UNITS


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    dimension: Dimension
    rows: list[SliceAgreement]
    left_out: int
    """Slices beyond those shown: the smallest, or the earliest weeks."""


def by(
    statistics: ProjectStatistics, dimension: Dimension, versions: Sequence[GuidelineVersion]
) -> Breakdown:
    """`versions` are those of the project's guideline."""
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
        rows=[_row(statistics, dimension, one, numbers) for one in shown],
        left_out=len(found) - len(shown),
    )


def graded_alpha(statistics: ProjectStatistics) -> Statistic:
    """Ordinal alpha on the seven grades."""
    table = statistics.graded_table()
    summed = krippendorff_alpha_ordinal(table.counts, GRADES)
    return estimate(table, {"alpha": summed})["alpha"]


def _row(
    statistics: ProjectStatistics, dimension: Dimension, one: Slice, numbers: Mapping[UUID, int]
) -> SliceAgreement:
    table = statistics.table(dimension, one.value)
    name, wanted = _named(dimension, one.value, numbers)
    figures = _figures(table)
    overlap = int(table.items[table.counts.sum(axis=1) > 1].sum())
    return SliceAgreement(
        name=name,
        value=one.value,
        wanted=wanted,
        comparisons=one.comparisons,
        overlap=overlap,
        contested=int(table.items[(table.counts > 0).sum(axis=1) > 1].sum()),
        agreement=figures["agreement"],
        without_ties=figures["without_ties"],
        alpha=figures["alpha"],
        chance=_chance(table),
    )


def _figures(table: Table) -> dict[str, Statistic]:
    decisive = table.counts[:, DECISIVE]
    return estimate(
        table,
        {
            "agreement": percent_agreement(table.counts),
            "without_ties": percent_agreement(decisive),
            "alpha": krippendorff_alpha_nominal(table.counts),
        },
    )


def _chance(table: Table) -> float | None:
    """That two labels drawn from all are the same."""
    totals = table.items @ table.counts
    n = int(totals.sum())
    return float(((totals / n) ** 2).sum()) if n else None


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
