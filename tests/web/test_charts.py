"""Where charts place what they draw: every number is worked out by hand."""

import math

import pytest

from app.rules.bootstrap import Statistic
from app.web.charts.axes import Axis, axis_around
from app.web.charts.lines import HEIGHT, WIDTH, Given, line_chart
from app.web.charts.strips import strip


def given(at: float, value: float | None, *, is_faint: bool = False) -> Given:
    return Given(at, f"at {at}", Statistic(value=value, n=1), is_faint)


def test_a_value_stands_at_its_share_of_the_axis() -> None:
    axis = Axis(-1, 3, 200)
    assert [axis.place(value) for value in (-1, 0, 2, 3)] == [0, 50, 150, 200]
    assert axis.place(None) is None
    # A third of 200 to the hundredth.
    assert Axis(0, 3, 200).place(1) == 66.67


@pytest.mark.parametrize("value", [-1.001, 3.001])
def test_a_value_outside_the_axis_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="outside the axis from -1 to 3"):
        Axis(-1, 3, 200).place(value)


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        # A fourth of 1 is 0.25, and the next round step 0.5.
        (0, 1, 5, [0, 0.5, 1]),
        (0.3, 2.1, 5, [0.5, 1, 1.5, 2]),
        (-3, 7, 5, [0, 5]),
        (-3, 7, 11, [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7]),
        (0, 0.3, 4, [0, 0.1, 0.2, 0.3]),
        # 175 becomes 200.
        (100, 800, 5, [200, 400, 600, 800]),
    ],
)
def test_ticks_are_round_values_on_the_axis(
    low: float, high: float, most: int, ticks: list[float]
) -> None:
    assert Axis(low, high, 1).ticks(most) == ticks


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([], (0, 1)),
        # A fourth of 0.46 is 0.115, so steps are 0.2.
        ([0.78, 0.32], (0.2, 0.8)),
        ([-0.1, 0.1], (-0.1, 0.1)),
        # One value: steps of 1, of which there is always one.
        ([3.0], (3, 4)),
        ([0.0], (0, 0.5)),
        ([-2.0], (-2, -1.5)),
        # Equal but for rounding: as one value, around which steps are 0.2.
        ([0.5, 0.5 - 2**-54], (0.4, 0.6)),
        ([1e-17, -1e-17], (0, 0.5)),
    ],
)
def test_an_axis_around_values_begins_and_ends_at_round_ones(
    values: list[float], ends: tuple[float, float]
) -> None:
    axis = axis_around(values, width=90)
    assert (axis.low, axis.high, axis.length) == (*ends, 90)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0.3, 0.7)])
def test_a_value_that_rounding_puts_beside_the_end_of_an_axis_stands_there(
    low: float, high: float
) -> None:
    axis = Axis(low, high, 200)
    assert axis.place(math.nextafter(low, -math.inf)) == 0
    assert axis.place(math.nextafter(high, math.inf)) == 200


def test_an_axis_holds_the_values_that_it_is_made_around() -> None:
    # In floating point, some of these are less than the share that they are, or more.
    for n in range(2, 40):
        for k in range(n + 1):
            values = [k / n, 1 - (n - k) / n, (k * 0.1) / (n * 0.1)]
            axis = axis_around(values, width=100)
            assert axis.high - axis.low > 0.001, values
            for value in values:
                place = axis.place(value)
                assert place is not None
                assert 0 <= place <= 100


def test_points_of_a_line_stand_by_time_and_from_the_top_by_value() -> None:
    first = Given(10, "first", Statistic(value=0.25, low=0.0, high=0.5, n=9))
    chart = line_chart([first, given(15, 0.5), given(30, 1.0)])
    assert (WIDTH, HEIGHT) == (860, 200)
    # Steps of 0.5 from 0 to 1: 200 units; 5 of 20 units of time are a fourth of 860.
    assert (chart.y.low, chart.y.high) == (0, 1)
    assert [(point.x, point.y) for point in chart.points] == [(0, 150), (215, 100), (860, 0)]
    assert [(point.low, point.high) for point in chart.points] == [(200, 100), *[(None, None)] * 2]
    assert chart.paths == ["M0 150 L215 100 L860 0"]
    assert chart.from_top(0.75) == 50


def test_a_line_is_broken_where_a_value_is_undefined_or_faint() -> None:
    values = [0.0, 1.0, None, 1.0, 0.0, 0.5, 1.0]
    chart = line_chart([given(at, v, is_faint=at == 5) for at, v in enumerate(values)], end=8.6)
    # 100 units a step; the faint point at 5 is drawn, and the last one has nothing to be joined to.
    assert [(point.x, point.y) for point in chart.points] == [
        (0, 200), (100, 0), (300, 0), (400, 200), (500, 100), (600, 0)
    ]  # fmt: skip
    assert chart.paths == ["M0 200 L100 0", "M300 0 L400 200"]


def test_the_last_mark_before_the_times_stands_at_their_edge_and_other_values_widen_the_axis():
    marks = [(-1.0, "before"), (2.0, "now"), (11.0, "after"), (-3.0, "long before")]
    chart = line_chart([given(3, 0.5)], start=0, end=10, marks=marks, also=[0.0, 1.0])
    assert chart.marks == [(0, "before"), (172, "now")]
    assert (chart.y.low, chart.y.high) == (0, 1)
    assert [(point.x, point.y) for point in chart.points] == [(258, 100)]
    assert chart.paths == []


def test_a_single_moment_has_an_axis_all_the_same() -> None:
    chart = line_chart([given(7, 0.5)])
    assert (chart.x.low, chart.x.high, chart.points[0].x) == (7, 8, 0)


def test_names_that_would_touch_stand_at_levels_and_stay_on_the_axis() -> None:
    # Five letters are 33 units wide.
    found = strip([(1.0, "north"), (0.5, "south"), (0.0, "above")], Axis(0, 1, 100))
    assert [(one.name, one.x, one.anchor, one.level) for one in found] == [
        # From 0 to 33.
        ("above", 0, "start", 0),
        # From 33.5, which is not 10 away.
        ("south", 50, "middle", 1),
        # From 67, which is 34 from the first.
        ("north", 100, "end", 0),
    ]


def test_each_name_takes_the_lowest_level_with_room() -> None:
    at = [100.0, 110.0, 120.0, 144.0, 160.0]
    found = strip([(x, "south") for x in at], Axis(0, 1000, 1000))
    # 43 apart is room enough: 144 is 44 from the first; 160 is 50 from the second.
    assert [one.level for one in found] == [0, 1, 2, 0, 1]
    assert [one.value for one in found] == at
