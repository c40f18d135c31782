import html.parser
import json
from pathlib import Path

import pytest

from training.charts import Chart, Note, Table
from training.errors import RunError
from training.report import write_report
from training.report_samples import sample_views
from training.runs import RunDirectory
from training.svg import Line, line_chart, ticks

HOSTILE = "</dd><script>alert('x')</script>&amp;"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run as a stage leaves it, written through the run directory's own code."""
    import torch

    from training.distributed import Distributed
    from training.loop import LoopConfig

    run = RunDirectory.create(
        tmp_path / "run",
        stage="sft",
        config=LoopConfig(seed=5),
        dist=Distributed(rank=0, world_size=1, device=torch.device("cpu")),
        inputs={"model": {"source": HOSTILE}},
        seed=5,
    )
    for step in range(1, 4):
        extra = {"validation": 0.3, "low": 0.2, "high": 0.4} if step == 3 else {}
        run.log({"step": step, "loss": 1.0 / step, **extra})
    run.write_samples([{"step": 3, "prompt": [{"role": "user", "content": HOSTILE}], "score": 0.5}])
    run.describe_report(
        [
            Note(title="Verdict", text=HOSTILE),
            Chart(
                title="Loss <b>",
                unit="nats",
                series={"loss": "training", "validation": "held out"},
                band=("low", "high"),
            ),
            Chart(title="Never reported", unit="x", series={"nothing": "nothing"}),
            Table(title="Rules", columns=["rule", "share"], rows=[["length", None]], n=12),
        ]
    )
    return run.path


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


def test_a_report_draws_each_line_and_states_its_n(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")

    assert page.count("<polyline") == 2
    assert "training,\n n = 3<" in page
    assert "held out,\n n = 1<" in page
    assert "n = 12." in page
    assert "<polygon" in page


def test_what_is_undefined_is_shown_as_undefined(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")

    assert "Undefined: no step has reported it (n = 0)." in page
    assert "<td>undefined</td>" in page


def test_text_of_models_and_people_is_escaped_everywhere(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)

    assert "script" not in {tag for tag, _ in tags.seen}
    assert "b" not in {tag for tag, _ in tags.seen}
    assert page.count("&lt;/dd&gt;&lt;script&gt;") == 3


def test_a_report_loads_nothing_from_elsewhere(run: Path) -> None:
    tags = Tags()
    tags.feed(write_report(run).read_text(encoding="utf-8"))

    assert not [attributes for _, attributes in tags.seen if attributes.keys() & {"src", "href"}]


def test_a_report_shows_settings_and_manifest(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")

    assert "seed: 5" in page
    assert "not finished" in page


def test_a_part_of_an_unknown_kind_is_refused(run: Path) -> None:
    (run / "report.json").write_text(json.dumps([{"kind": "film", "title": "x"}]))

    with pytest.raises(RunError, match="kind 'film'"):
        write_report(run)


def test_a_folder_that_is_no_run_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run directory"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (-3.0, 47.0, [0, 10, 20, 30, 40])],
)
def test_ticks_are_round_numbers_inside_the_range(
    low: float, high: float, expected: list[float]
) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_chart_places_its_ends_in_the_corners() -> None:
    drawn = line_chart([Line("a", [(0.0, 0.0), (10.0, 1.0)])], title="t", x_label="x")

    # The frame has 5 % of air above and below: 178 units high, so 8.1 of each.
    assert 'points="56.0,193.9 506.0,32.1"' in drawn


def test_pointing_at_a_step_shows_its_numbers_of_every_line() -> None:
    lines = [Line("a<", [(1.0, 0.5), (2.0, 0.25)]), Line("b", [(2.0, 3.0)])]

    drawn = line_chart(lines, title="t", x_label="update", band=[])

    assert ">update 1: a&lt; 0.5</text>" in drawn
    assert ">update 2: a&lt; 0.25; b 3</text>" in drawn
    # Two strips that meet half-way between the steps, at 56 + 450 / 2.
    assert 'x="56.0" y="0" width="225.0"' in drawn
    assert 'x="281.0" y="0" width="225.0"' in drawn


def test_a_long_run_shows_numbers_at_a_limited_number_of_steps() -> None:
    points = [(float(step), 1.0) for step in range(1000)]

    assert line_chart([Line("a", points)], title="t", x_label="x").count('class="stop"') <= 120


def test_a_single_point_is_drawn() -> None:
    assert "<circle" in line_chart([Line("a", [(1.0, 2.0)])], title="t", x_label="x")


def test_samples_of_several_steps_stand_side_by_side() -> None:
    rows = [
        {"step": step, "prompt": [{"role": "user", "content": name}], "completion": f"{name}{step}"}
        for step in (0, 5, 9)
        for name in ("tea", "rain")
    ]

    views = sample_views(rows, "update")

    assert [view["prompt"] for view in views] == ["tea", "rain"]
    assert [(text["title"], text["text"]) for text in views[1]["texts"]] == [
        ("update 0", "rain0"),
        ("update 9", "rain9"),
    ]


def test_numbers_of_a_text_stand_below_it() -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    row = {"step": 3, "prompt": messages, "probability": 0.75}
    row |= {"chosen": "a", "rejected": "b", "chosen_score": 1.0, "rejected_score": None}

    assert sample_views([row], "step") == [
        {
            "prompt": "system: Be kind.\nuser: Why?",
            "facts": [("probability", "0.75")],
            "texts": [
                {"title": "chosen", "text": "a", "facts": [("score", "1")]},
                {"title": "rejected", "text": "b", "facts": [("score", "undefined")]},
            ],
        }
    ]


def test_a_run_without_samples_has_none_to_show() -> None:
    assert sample_views([], "step") == []
