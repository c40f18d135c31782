"""What a report shows, as data: charts, tables, notes, samples. Drawing is in training.svg."""

from dataclasses import dataclass
from typing import ClassVar

Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over the step. `series` maps names in metrics.jsonl to labels for people."""

    kind: ClassVar[str] = "chart"
    title: str
    unit: str
    series: dict[str, str]
    band: tuple[str, str] | None = None
    """Metrics that are the low and high end of an interval around the first series."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    kind: ClassVar[str] = "table"
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    n: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph, such as the verdict of an evaluation."""

    kind: ClassVar[str] = "note"
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class SampleList:
    """Where samples.jsonl is shown; without such a part it stands at the end."""

    kind: ClassVar[str] = "samples"
    title: str
    note: str = ""


ReportPart = Chart | Table | Note | SampleList
