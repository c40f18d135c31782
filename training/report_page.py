"""The page template of report.html."""

PAGE = """\
{% macro facts(items) %}
<p class="note">{% for name, value in items %}{{ name }} <strong>{{ value }}</strong>
{% if not loop.last %} · {% endif %}{% endfor %}</p>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}: {{ run }}</title>
<style>
:root { color-scheme: light dark; --page: #fff; --text: #1c2430; --soft: #5b6675; --rule: #dde2e8;
  --card: #f6f8fa;
  --line-0: #0b62b5; --line-1: #b4430a; --line-2: #1d7a46; --line-3: #7a3fa0; }
@media (prefers-color-scheme: dark) { :root { --page: #14181e; --text: #e8ecf1; --soft: #a3adba;
  --rule: #343c47; --card: #1b2129;
  --line-0: #6db3f2; --line-1: #f0995f; --line-2: #6fcf97; --line-3: #c99ae6; } }
body { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin: 2rem 0 .5rem; font-size: 1.25rem; }
section > p { max-width: 46rem; margin: .5rem 0; }
p.note, figcaption, .meta { color: var(--soft); font-size: .875rem; }
p.note strong { color: var(--text); font-weight: 600; }
.charts { display: grid; gap: 1.5rem 2rem; margin-top: 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.charts figure { margin: 0; } figure h3 { margin: 0; font-size: 1rem; }
figure h3 small { color: var(--soft); font-weight: normal; }
.chart { width: 100%; height: auto; display: block; }
.chart text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.chart .grid { stroke: var(--rule); } .chart .band { fill: var(--line-0); opacity: .15; }
.line { fill: none; stroke-width: 1.8; }
{% for number in range(4) %}
polyline.line-{{ number }}, line.line-{{ number }} { stroke: var(--line-{{ number }}); }
circle.line-{{ number }} { fill: var(--line-{{ number }}); }
{% endfor %}
.stop rect { fill: transparent; } .stop line { stroke: var(--soft); }
.stop line, .stop text { opacity: 0; pointer-events: none; }
.stop:hover line, .stop:hover text { opacity: 1; } .stop:hover text { fill: var(--text); }
.legend { list-style: none; padding: 0; margin: .25rem 0; display: flex; flex-wrap: wrap;
  gap: .1rem 1.25rem; font-size: .875rem; }
.legend svg { width: 2rem; height: .6rem; margin-right: .4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem 1.5rem .3rem 0; border-bottom: 1px solid var(--rule); }
.sample { margin: 1rem 0; padding: .75rem 1rem; background: var(--card); border-radius: .5rem; }
.sample blockquote { margin: 0; font-weight: 600; }
.texts { display: grid; gap: .5rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
.texts h4 { margin: .75rem 0 .1rem; color: var(--soft); font-size: .875rem; }
.texts p { margin: 0 0 .25rem; }
blockquote, .texts p, pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.texts p.note { white-space: normal; }
pre { font-size: .85rem; } summary { cursor: pointer; margin-top: 1rem; }
@media print { .stop { display: none; } .sample, figure { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="meta">Run {{ run }}. Started {{ manifest.started_at }},
{% if manifest.ended_at %}ended {{ manifest.ended_at }}{% else %}not finished{% endif %}.
{{ steps }} {{ step_name }}s, {{ manifest.world_size }}
{{ "process" if manifest.world_size == 1 else "processes" }} on {{ manifest.device }},
seed {{ manifest.seed }}.</p>
{% for part in parts %}
{% if part.kind == "note" %}
<section><h2>{{ part.title }}</h2><p>{{ part.text }}</p></section>
{% elif part.kind == "table" %}
<section>
<h2>{{ part.title }}</h2>
<div class="scroll"><table>
<thead><tr>
{% for column in part.columns %}<th scope="col">{{ column }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for row in part.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<p class="note">n = {{ part.n }}. {{ part.note }}</p>
</section>
{% elif part.kind == "samples" %}
<section>
<h2>{{ part.title }}</h2>
<p class="note">{{ part.note }} n = {{ samples | length }}.</p>
{% for sample in samples %}
<div class="sample">
<blockquote>{{ sample.prompt }}</blockquote>
{% if sample.facts %}{{ facts(sample.facts) }}{% endif %}
<div class="texts">
{% for text in sample.texts %}
<div><h4>{{ text.title }}</h4><p>{{ text.text }}</p>
{% if text.facts %}{{ facts(text.facts) }}{% endif %}</div>
{% endfor %}
</div>
</div>
{% endfor %}
</section>
{% else %}
{% if loop.first or loop.previtem.kind != "chart" %}
<div class="charts">
{% endif %}
<figure>
<h3>{{ part.title }} <small>{{ part.unit }}</small></h3>
{% if part.svg %}
{{ part.svg }}
<ul class="legend">
{% for line in part.legend %}
<li><svg viewBox="0 0 32 8" aria-hidden="true"><line class="line line-{{ line.number }}" x1="0"
 x2="32" y1="4" y2="4" stroke-dasharray="{{ line.dash }}"/></svg>{{ line.label }},
 n = {{ line.n }}</li>
{% endfor %}
</ul>
{% else %}
<p>Undefined: no step has reported it (n = 0).</p>
{% endif %}
{% if part.note %}
<figcaption>{{ part.note }}</figcaption>
{% endif %}
</figure>
{% if loop.last or loop.nextitem.kind != "chart" %}
</div>
{% endif %}
{% endif %}
{% endfor %}
<details><summary>Settings</summary><pre>{{ config }}</pre></details>
<details><summary>Manifest</summary><pre>{{ manifest_text }}</pre></details>
</body>
</html>
"""
