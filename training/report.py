"""report.html of a run: one file, no script, nothing loaded from elsewhere.

The stage says what to show (`RunDirectory.describe_report`); the numbers come from metrics.jsonl.
All text of models and people passes through autoescaping.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from training.charts import Chart, Note, SampleList, Table
from training.errors import RunError
from training.report_page import PAGE
from training.report_samples import cell, sample_views
from training.runs import read_lines, read_manifest
from training.svg import DASHES, Line, line_chart

STAGES = {"sft": "Supervised fine-tuning", "rm": "Reward model", "ppo": "PPO"}
STEP_NAMES = {"ppo": "update"}
Json = dict[str, Any]


def write_report(run: Path) -> Path:
    """Render the run directory, finished or not, and give the path of its report.html."""
    manifest = read_manifest(run)
    metrics = read_lines(run / "metrics.jsonl")
    described = run / "report.json"
    parts = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else []
    if not any(part["kind"] == SampleList.kind for part in parts):
        parts.append({"kind": SampleList.kind, **asdict(SampleList(title="Samples"))})
    step_name = STEP_NAMES.get(manifest["stage"], "optimiser step")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.from_string(PAGE).render(
        title=STAGES.get(manifest["stage"], manifest["stage"]),
        run=run.resolve().name,
        manifest=manifest,
        manifest_text=json.dumps(manifest, ensure_ascii=False, indent=2),
        config=(run / "config.yaml").read_text(encoding="utf-8"),
        parts=[_view(part, metrics, step_name) for part in parts],
        steps=max((row["step"] for row in metrics), default=0),
        step_name=step_name,
        samples=sample_views(read_lines(run / "samples.jsonl"), step_name),
    )
    target = run / "report.html"
    temporary = run / ".tmp-report.html"
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


def _view(part: Json, metrics: list[Json], step_name: str) -> Json:
    kind = part["kind"]
    fields = {name: value for name, value in part.items() if name != "kind"}
    if kind == Chart.kind:
        return {"kind": kind, **_chart_view(Chart(**fields), metrics, step_name)}
    if kind == Table.kind:
        return {**part, "rows": [[cell(value) for value in row] for row in fields["rows"]]}
    if kind in (Note.kind, SampleList.kind):
        return part
    raise RunError(
        f"report.json holds a part of kind {kind!r}. Write the report with the version "
        "that trained the run."
    )


def _chart_view(chart: Chart, metrics: list[Json], step_name: str) -> Json:
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
    svg = line_chart(lines, title=chart.title, x_label=step_name, band=band) if drawn else ""
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
