"""Axes: where a value stands, and which round values are written beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    length: float
    """In SVG user units."""

    def place(self, value: float | None) -> float | None:
        """Units from the end of `low`. Raises ValueError for a value outside the axis."""
        if value is None:
            return None
        if not self.low <= value <= self.high:
            raise ValueError(f"{value} is outside the axis from {self.low} to {self.high}")
        return round(self.length * (value - self.low) / (self.high - self.low), 2)

    def ticks(self, most: int = 5) -> list[float]:
        """At most so many round values, evenly apart."""
        step = _round_step((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(round(self.low / step, 9))
        last = math.floor(round(self.high / step, 9))
        return [round(n * step, 12) for n in range(first, last + 1)]


def axis_around(values: Sequence[float], *, width: float, most: int = 5) -> Axis:
    """From a round value at or below all of these to one at or above; 0 to 1 for none."""
    if not values:
        return Axis(0.0, 1.0, width)
    low, high = min(values), max(values)
    spread = high - low or abs(high) or 1.0
    step = _round_step(spread / max(most - 1, 1))
    start, end = math.floor(round(low / step, 9)), math.ceil(round(high / step, 9))
    return Axis(round(start * step, 12), round((end + (start == end)) * step, 12), width)


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, … times a power of ten that is not below `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))
