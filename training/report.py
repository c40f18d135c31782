"""report.html of a run: one file, no script, nothing loaded from elsewhere.

The stage says what to show (`RunDirectory.describe_report`); the numbers come from metrics.jsonl.
All text of models and people passes through autoescaping.
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from training.charts import Chart, Note, Table
from training.errors import RunError
from training.report_page import PAGE
from training.runs import read_lines, read_manifest
from training.svg import DASHES, Line, line_chart

STAGES = {"sft": "Supervised fine-tuning", "rm": "Reward model", "ppo": "PPO"}
MOST_SAMPLES = 24
Json = dict[str, Any]


def write_report(run: Path) -> Path:
    """Render the run directory, finished or not, and give the path of its report.html."""
    manifest = read_manifest(run)
    metrics = read_lines(run / "metrics.jsonl")
    described = run / "report.json"
    parts = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else []
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.from_string(PAGE).render(
        title=STAGES.get(manifest["stage"], manifest["stage"]),
        run=run.resolve().name,
        manifest=manifest,
        manifest_text=json.dumps(manifest, ensure_ascii=False, indent=2),
        config=(run / "config.yaml").read_text(encoding="utf-8"),
        parts=[_view(part, metrics) for part in parts],
        steps=max((row["step"] for row in metrics), default=0),
        samples=[_sample(row) for row in _newest(read_lines(run / "samples.jsonl"))],
    )
    target = run / "report.html"
    temporary = run / ".tmp-report.html"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


def _view(part: Json, metrics: list[Json]) -> Json:
    kind = part.pop("kind")
    if kind == Chart.kind:
        return {"kind": kind, **_chart_view(Chart(**part), metrics)}
    if kind == Table.kind:
        table = Table(**part)
        rows = [[_cell(value) for value in row] for row in table.rows]
        return {**part, "kind": kind, "rows": rows}
    if kind == Note.kind:
        return {**part, "kind": kind}
    raise RunError(
        f"report.json holds a part of kind {kind!r}. Write the report with the version "
        "that trained the run."
    )


def _chart_view(chart: Chart, metrics: list[Json]) -> Json:
    lines = [
        Line(label, [(row["step"], row[name]) for row in metrics if row.get(name) is not None])
        for name, label in chart.series.items()
    ]
    band = []
    if chart.band is not None:
        low, high = chart.band
        band = [
            (row["step"], row[low], row[high])
            for row in metrics
            if row.get(low) is not None and row.get(high) is not None
        ]
    drawn = any(line.points for line in lines)
    svg = (
        line_chart(
            lines, title=chart.title, x_label="optimiser step", y_label=chart.unit, band=band
        )
        if drawn
        else ""
    )
    return {
        "title": chart.title,
        "unit": chart.unit,
        "note": chart.note,
        # The drawing escapes every text it holds.
        "svg": Markup(svg),  # noqa: S704
        "legend": [
            {"label": line.label, "n": len(line.points), "dash": DASHES[i % 4], "number": i % 4}
            for i, line in enumerate(lines)
        ],
    }


def _newest(samples: list[Json]) -> list[Json]:
    return samples[-MOST_SAMPLES:]


def _sample(row: Json) -> list[tuple[str, str]]:
    fields = []
    for name, value in row.items():
        if name == "prompt" and isinstance(value, list):
            text = "\n".join(f"{message['role']}: {message['content']}" for message in value)
        else:
            text = _cell(value)
        fields.append((name.replace("_", " "), text))
    return fields


def _cell(value: object) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
