"""Named values on one horizontal axis, with their names at levels that keep them apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.axes import Axis

LETTER = 6.6
"""Width of a letter of 12 units, a little more than the average."""
GAP = 10.0


@dataclass(frozen=True)
class Named:
    x: float
    name: str
    level: int
    """0 is next to the axis."""
    anchor: str
    """Where the name stands: it begins or ends at x where its middle would leave the axis."""
    value: float


def strip(values: Sequence[tuple[float, str]], axis: Axis) -> list[Named]:
    """In the order of the values; each name takes the lowest level where there is room."""
    ends: list[float] = []
    found = []
    for value, name in sorted(values):
        x = axis.place(value)
        assert x is not None
        width = len(name) * LETTER
        anchor, left = "middle", x - width / 2
        if left < 0:
            anchor, left = "start", x
        elif x + width / 2 > axis.length:
            anchor, left = "end", x - width
        level = next((i for i, end in enumerate(ends) if end + GAP <= left), len(ends))
        ends[level : level + 1] = [left + width]
        found.append(Named(x, name, level, anchor, value))
    return found
