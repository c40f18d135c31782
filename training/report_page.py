"""The page template of report.html."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}: {{ run }}</title>
<style>
:root { color-scheme: light dark; --page: #fff; --text: #1c2430; --soft: #5b6675; --rule: #dde2e8;
  --line-0: #0b62b5; --line-1: #b4430a; --line-2: #1d7a46; --line-3: #7a3fa0; }
@media (prefers-color-scheme: dark) { :root { --page: #14181e; --text: #e8ecf1; --soft: #a3adba;
  --rule: #343c47; --line-0: #6db3f2; --line-1: #f0995f; --line-2: #6fcf97; --line-3: #c99ae6; } }
body { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.5rem; }
p.note, figcaption, .meta { color: var(--soft); font-size: .9rem; }
figure { margin: 2rem 0; } figure h3 { margin: 0 0 .25rem; }
.chart { width: 100%; height: auto; } .chart text { fill: var(--soft); font-size: 11px; }
.chart .grid { stroke: var(--rule); } .chart .band { fill: var(--line-0); opacity: .15; }
.line { fill: none; stroke-width: 1.8; }
{% for number in range(4) %}
polyline.line-{{ number }}, line.line-{{ number }} { stroke: var(--line-{{ number }}); }
circle.line-{{ number }} { fill: var(--line-{{ number }}); }
{% endfor %}
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.legend svg { width: 2rem; height: .6rem; margin-right: .4rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--rule); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
dl { border-top: 1px solid var(--rule); padding-top: .75rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0 0 .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="meta">Run {{ run }}. Started {{ manifest.started_at }},
{% if manifest.ended_at %}ended {{ manifest.ended_at }}{% else %}not finished{% endif %}.
{{ steps }} optimiser steps, {{ manifest.world_size }}
{{ "process" if manifest.world_size == 1 else "processes" }} on {{ manifest.device }},
seed {{ manifest.seed }}.</p>
{% for part in parts %}
{% if part.kind == "note" %}
<section><h2>{{ part.title }}</h2><p>{{ part.text }}</p></section>
{% elif part.kind == "chart" %}
<figure>
<h3>{{ part.title }}</h3>
{% if part.svg %}
{{ part.svg }}
<ul class="legend">
{% for line in part.legend %}
<li><svg viewBox="0 0 32 8" aria-hidden="true"><line class="line line-{{ line.number }}" x1="0"
 x2="32" y1="4" y2="4" stroke-dasharray="{{ line.dash }}"/></svg>{{ line.label }},
 n = {{ line.n }} steps</li>
{% endfor %}
</ul>
{% else %}
<p>Undefined: no step has reported it (n = 0).</p>
{% endif %}
<figcaption>In {{ part.unit }}. {{ part.note }}</figcaption>
</figure>
{% else %}
<figure>
<h3>{{ part.title }}</h3>
<div class="scroll"><table>
<thead><tr>
{% for column in part.columns %}<th scope="col">{{ column }}</th>{% endfor %}
</tr></thead>
<tbody>
{% for row in part.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<figcaption>n = {{ part.n }}. {{ part.note }}</figcaption>
</figure>
{% endif %}
{% endfor %}
<section>
<h2>Samples</h2>
<p class="note">n = {{ samples | length }}, the newest of samples.jsonl.</p>
{% for sample in samples %}
<dl>{% for name, text in sample %}<dt>{{ name }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
{% endfor %}
</section>
<section><h2>Settings</h2><pre>{{ config }}</pre></section>
<section><h2>Manifest</h2><pre>{{ manifest_text }}</pre></section>
</body>
</html>
"""
