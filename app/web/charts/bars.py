"""Numbers to the geometry of bar charts. Units are SVG user units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Bar:
    label: str
    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BarChart:
    bars: list[Bar]
    top: int
    """The value at the upper end of the axis."""
    width: float
    height: float


def round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, … that is not below `value`."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= value:
                return factor * step
        step *= 10


def every_day(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The ISO dates from first to last with those between that had none."""
    if not counts:
        return []
    known = dict(counts)
    first, last = date.fromisoformat(counts[0][0]), date.fromisoformat(counts[-1][0])
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [(day.isoformat(), known.get(day.isoformat(), 0)) for day in days]


def bar_chart(
    counts: Sequence[tuple[str, int]],
    *,
    width: float = 440,
    height: float = 130,
    slim: bool = True,
) -> BarChart:
    """One bar for each (label, value). Few slim bars stay slim instead of filling the width."""
    top = round_up(max((value for _, value in counts), default=1))
    pitch = width / max(len(counts), 1)
    if slim:
        pitch = min(pitch, 64)
    bars = [
        Bar(
            label=label,
            value=value,
            x=i * pitch + pitch * 0.1,
            y=height - height * value / top,
            width=pitch * 0.8,
            height=height * value / top,
        )
        for i, (label, value) in enumerate(counts)
    ]
    return BarChart(bars=bars, top=top, width=width, height=height)
