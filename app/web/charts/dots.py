"""Statistics to the geometry of dots with whiskers on a horizontal axis."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.rules.bootstrap import Statistic
from app.web.charts.axes import Axis, axis_around


@dataclass(frozen=True)
class Whisker:
    """Positions on a horizontal axis of the given width; None where undefined."""

    value: float | None
    low: float | None
    high: float | None
    chance: float | None


def whisker(
    statistic: Statistic, *, low: float, high: float, chance: float | None, width: float = 320
) -> Whisker:
    """Where the dot, its interval and the chance level stand between `low` and `high`."""
    axis = Axis(low, high, width)
    return Whisker(
        value=axis.place(statistic.value),
        low=axis.place(statistic.low),
        high=axis.place(statistic.high),
        chance=axis.place(chance),
    )


def axis_of(
    statistics: Iterable[Statistic], also: Iterable[float] = (), *, width: float = 200
) -> Axis:
    """One axis for many rows, which holds all values and intervals and `also`."""
    values = [
        value
        for found in statistics
        for value in (found.value, found.low, found.high)
        if value is not None
    ]
    return axis_around([*values, *also], width=width)
