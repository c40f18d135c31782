"""Line charts as plain SVG text: no script, colours from the page's CSS variables.

Every line is also named in a legend and told apart by its dash pattern, not by colour alone.
Pointing at a chart shows the numbers of that step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 520, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 24, 38
DASHES = ("", "6 3", "2 3", "9 3 2 3")
MOST_STOPS = 120
"""Places along a chart where pointing shows numbers; longer runs leave steps out."""
MOST_MARKERS = 60
"""Lines of more points are drawn without a dot on each."""
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    label: str
    points: list[Point]


@dataclass(frozen=True)
class Frame:
    """Data ranges of the drawing area."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def place(self, point: Point) -> Point:
        x = LEFT + (point[0] - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)
        share = (point[1] - self.y_low) / (self.y_high - self.y_low)
        return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    band: Sequence[tuple[float, float, float]] = (),
) -> str:
    """An <svg> of the lines; band holds (x, low, high). Needs at least one point in all."""
    points = [point for line in lines for point in line.points]
    points += [(x, y) for x, low, high in band for y in (low, high)]
    frame = _frame(points)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="chart" '
        f'aria-label="{escape(_summary(title, lines))}">',
        *_axes(frame, x_label),
        *_band(frame, band),
    ]
    for number, line in enumerate(lines):
        parts += _line(frame, line, number)
    return "\n".join([*parts, *_stops(frame, lines, x_label), "</svg>"])


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers inside low..high, in steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _frame(points: Sequence[Point]) -> Frame:
    x_low, x_high = _span([x for x, _ in points], 0.0)
    y_low, y_high = _span([y for _, y in points], 0.05)
    return Frame(x_low, x_high, y_low, y_high)


def _span(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        pad = abs(low) * 0.1 or 1.0
        return low - pad, high + pad
    return low - (high - low) * margin, high + (high - low) * margin


def _summary(title: str, lines: Sequence[Line]) -> str:
    ends = [
        f"{line.label} from {line.points[0][1]:.4g} to {line.points[-1][1]:.4g}"
        for line in lines
        if line.points
    ]
    return f"{title}: {', '.join(ends)}"


def _axes(frame: Frame, x_label: str) -> list[str]:
    parts = []
    for value in ticks(frame.y_low, frame.y_high):
        _, y = frame.place((frame.x_low, value))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for value in ticks(frame.x_low, frame.x_high, 8):
        x, _ = frame.place((value, frame.y_low))
        y = HEIGHT - BOTTOM
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 17}" text-anchor="middle">{value:.4g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return parts


def _band(frame: Frame, band: Sequence[tuple[float, float, float]]) -> list[str]:
    if not band:
        return []
    upper = [frame.place((x, high)) for x, _, high in band]
    lower = [frame.place((x, low)) for x, low, _ in reversed(band)]
    return [f'<polygon class="band" points="{_coordinates([*upper, *lower])}"/>']


def _line(frame: Frame, line: Line, number: int) -> list[str]:
    if not line.points:
        return []
    dash = DASHES[number % len(DASHES)]
    style = f'class="line line-{number % len(DASHES)}"'
    placed = [frame.place(point) for point in line.points]
    parts = [f'<polyline {style} stroke-dasharray="{dash}" points="{_coordinates(placed)}"/>']
    if len(placed) <= MOST_MARKERS:
        parts += [f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in placed]
    return parts


def _stops(frame: Frame, lines: Sequence[Line], x_label: str) -> list[str]:
    """Strips side by side that show their step's numbers, and a rule, while pointed at."""
    values: dict[float, list[str]] = {}
    for line in lines:
        for step, value in line.points:
            values.setdefault(step, []).append(f"{line.label} {value:.4g}")
    steps = sorted(values)
    steps = steps[:: -(-len(steps) // MOST_STOPS)]
    places = [frame.place((step, frame.y_low))[0] for step in steps]
    inner = [(left + right) / 2 for left, right in pairwise(places)]
    edges = [LEFT, *inner, WIDTH - RIGHT]
    parts = []
    for number, (step, x) in enumerate(zip(steps, places, strict=True)):
        left, right = edges[number], edges[number + 1]
        text = escape(f"{x_label} {step:g}: {'; '.join(values[step])}")
        parts.append(
            f'<g class="stop"><rect x="{left:.1f}" y="0" width="{right - left:.1f}" '
            f'height="{HEIGHT - BOTTOM}"/><line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" '
            f'y2="{HEIGHT - BOTTOM}"/><text x="{WIDTH - RIGHT}" y="14" text-anchor="end">{text}'
            "</text></g>"
        )
    return parts


def _coordinates(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
