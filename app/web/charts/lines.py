"""Points with intervals along a time or a number, to the geometry of a line chart."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.rules.bootstrap import Statistic
from app.web.charts.axes import Axis, axis_around

WIDTH, HEIGHT = 860.0, 200.0


@dataclass(frozen=True)
class Given:
    """What stands at one place of the horizontal axis."""

    at: float
    label: str
    statistic: Statistic
    is_faint: bool = False
    """Too few data for a trend: shown, and joined with nothing."""
    href: str | None = None
    """Where its dot leads."""


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    low: float | None
    high: float | None
    given: Given


@dataclass(frozen=True)
class LineChart:
    points: list[Point]
    paths: list[str]
    """SVG path data, one for each run of neighbours that are not faint."""
    x: Axis
    y: Axis
    """Its places count from the top."""
    marks: list[tuple[float, str]]
    """Moments with a name: their places on the horizontal axis."""

    def from_top(self, value: float) -> float:
        place = self.y.place(value)
        assert place is not None
        return round(self.y.length - place, 2)


def line_chart(
    given: Sequence[Given],
    *,
    start: float | None = None,
    end: float | None = None,
    marks: Sequence[tuple[float, str]] = (),
    also: Sequence[float] = (),
) -> LineChart:
    """`also` are values that the vertical axis has to hold. Of the marks before the start the last
    one, which still holds there, is drawn at the left edge; those after the end are not drawn. What
    is undefined leaves a gap."""
    places = [one.at for one in given]
    first = min(places) if start is None else start
    last = max(places) if end is None else end
    x = Axis(first, last if last > first else first + 1, WIDTH)
    values = [
        value
        for one in given
        for value in (one.statistic.value, one.statistic.low, one.statistic.high)
        if value is not None
    ]
    y = axis_around([*values, *also], width=HEIGHT)
    points = [point for one in given if (point := _point(one, x, y)) is not None]
    return LineChart(
        points=points,
        paths=_paths(given, {id(point.given): point for point in points}),
        x=x,
        y=y,
        marks=_marks(marks, x),
    )


def _marks(marks: Sequence[tuple[float, str]], x: Axis) -> list[tuple[float, str]]:
    before = sorted(mark for mark in marks if mark[0] < x.low)[-1:]
    inside = [(at, name) for at, name in marks if x.low <= at <= x.high]
    return [(x.place(max(at, x.low)) or 0.0, name) for at, name in [*before, *inside]]


def _point(one: Given, x: Axis, y: Axis) -> Point | None:
    def down(value: float | None) -> float | None:
        place = y.place(value)
        return None if place is None else round(y.length - place, 2)

    place, top = x.place(one.at), down(one.statistic.value)
    if place is None or top is None:
        return None
    return Point(place, top, down(one.statistic.low), down(one.statistic.high), one)


def _paths(given: Sequence[Given], points: dict[int, Point]) -> list[str]:
    runs: list[list[Point]] = [[]]
    for one in given:
        point = points.get(id(one))
        if point is None or one.is_faint:
            runs.append([])
        else:
            runs[-1].append(point)
    return [
        "M" + " L".join(f"{point.x:g} {point.y:g}" for point in run) for run in runs if len(run) > 1
    ]
