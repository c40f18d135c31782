"""Axes: where a value stands, and which round values are written beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ROUNDING = 1e-9
"""Share of an axis, or of a value, that rounding may make of nothing."""


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    length: float
    """In SVG user units."""

    def place(self, value: float | None) -> float | None:
        """Units from the end of `low`. Raises ValueError for a value that is outside the axis by
        more than rounding."""
        if value is None:
            return None
        share = (value - self.low) / (self.high - self.low)
        if not -ROUNDING <= share <= 1 + ROUNDING:
            raise ValueError(f"{value} is outside the axis from {self.low} to {self.high}")
        return round(self.length * min(max(share, 0.0), 1.0), 2)

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
    spread, size = high - low, max(abs(low), abs(high))
    # What is one value but for rounding has no spread, and what is 0 but for that no size.
    if size < ROUNDING:
        spread = 1.0
    elif spread <= ROUNDING * size:
        spread = abs(high)
    step = _round_step(spread / max(most - 1, 1))
    start, end = math.floor(round(low / step, 9)), math.ceil(round(high / step, 9))
    return Axis(round(start * step, 12), round((end + (start == end)) * step, 12), width)


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, … times a power of ten that is not below `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))
