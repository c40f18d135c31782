"""What pages are made of: charts' geometry, safe markdown, the htmx file."""

from pathlib import Path

import pytest

from app.rules.bootstrap import Statistic
from app.web import assets
from app.web.charts import bars, dots
from app.web.markdown import render_markdown


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (2, 2), (3, 5), (10, 10), (11, 20), (501, 1000)]
)
def test_the_axis_ends_at_a_round_number_not_below_the_value(value: int, top: int) -> None:
    assert bars.round_up(value) == top


def test_days_without_judgments_are_shown_as_empty_days() -> None:
    counts = [("2026-02-27", 3), ("2026-03-02", 1)]
    assert bars.every_day(counts) == [
        ("2026-02-27", 3),
        ("2026-02-28", 0),
        ("2026-03-01", 0),
        ("2026-03-02", 1),
    ]
    assert bars.every_day([]) == []


def test_a_bar_is_as_high_as_its_share_of_the_axis() -> None:
    chart = bars.bar_chart([("a", 5), ("b", 0)], width=100, height=40)
    assert chart.top == 5
    assert [(bar.y, bar.height) for bar in chart.bars] == [(0, 40), (40, 0)]
    assert [bar.x for bar in chart.bars] == pytest.approx([5, 55])


def test_a_whisker_places_value_interval_and_chance_on_the_axis() -> None:
    alpha = Statistic(value=0.5, low=0.0, high=1.0, n=9)
    drawn = dots.whisker(alpha, low=-1, high=1, chance=0.0, width=200)
    assert (drawn.low, drawn.value, drawn.high, drawn.chance) == (100, 150, 200, 100)
    nothing = dots.whisker(Statistic(value=None, n=0, reason="x"), low=0, high=1, chance=None)
    assert (nothing.value, nothing.low, nothing.high, nothing.chance) == (None, None, None, None)


def test_a_value_outside_the_axis_is_an_error_not_a_dot_at_its_end() -> None:
    with pytest.raises(ValueError, match=r"2\.0 is outside the axis from 0\.0 to 1\.0"):
        dots.whisker(Statistic(value=2.0, n=1), low=0.0, high=1.0, chance=None)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("**a**\nb", "<p><strong>a</strong><br>\nb</p>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("a <b onclick='x'>b</b>", "<p>a &lt;b onclick='x'&gt;b&lt;/b&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("[x](data:text/html,y)", "<p>[x](data:text/html,y)</p>\n"),
        ("![](https://e.example/p)", '<p><span class="omitted">[image not shown: no description]'),
        ("e.g.this and 1.2.3.4", "<p>e.g.this and 1.2.3.4</p>\n"),
    ],
)
def test_markdown_becomes_html_that_can_do_nothing(source: str, html: str) -> None:
    assert render_markdown(source).startswith(html)


def test_links_open_elsewhere_and_tell_nothing() -> None:
    html = render_markdown("[x](https://example.org)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_headings_of_a_response_stay_below_those_of_the_page() -> None:
    assert render_markdown("# a\n\n###### b", demote=3) == "<h4>a</h4>\n<h6>b</h6>\n"


def test_the_htmx_file_is_there_and_of_the_version_that_was_chosen() -> None:
    path, found = assets.static_files.lookup_path(assets.HTMX_FILE)
    assert found is not None
    assert 'version:"2.0.' in Path(path).read_text(encoding="utf-8")


def test_templates_and_scripts_name_no_other_host_and_hold_no_inline_script() -> None:
    for path in (assets.UI_FOLDER / "templates").rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert "http://" not in source, path
        assert "https://" not in source, path
        assert " style=" not in source, path
        assert " on" + "click" not in source, path
        assert "<script>" not in source, path
