"""The template and the style of an evaluation's page."""

STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --dim: #60646c; --back: #fcfcfd; --edge: #d9d9e0; --band: #f0f0f3;
  --right: #d8f3dc; --wrong: #fde0dd; --s0: #0b68cb; --s1: #c2410c; --s2: #15803d; --s3: #9333ea; --s4: #b45309;
  --s5: #0e7490; --s6: #be185d; --s7: #4d7c0f; }
@media (prefers-color-scheme: dark) { :root { --text: #edeef0; --dim: #b0b4ba; --back: #111113; --edge: #43484e;
  --band: #1c1d20; --right: #14361f; --wrong: #46211d; --s0: #70b8ff; --s1: #ff9d6c; --s2: #6fdd8b; --s3: #d19dff;
  --s4: #ffca16; --s5: #4ccce6; --s6: #ff8dcc; --s7: #bde56c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; } h2 { margin-top: 2.5rem; font-size: 1.25rem; }
p.note, figcaption, .dim { color: var(--dim); font-size: .9rem; }
p.warn { border-left: 4px solid var(--s1); padding: .5rem .8rem; background: var(--band); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--edge); text-align: left; vertical-align: top; }
thead th { background: var(--band); }
td.figure { white-space: nowrap; } .text { overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .8rem; background: var(--band); white-space: pre-wrap; overflow-wrap: anywhere; }
.key { display: inline-block; min-width: 1.5em; padding: 0 .3em; border-radius: .75em; color: var(--back);
  text-align: center; font-size: .8rem; font-weight: 600; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; overflow-wrap: anywhere; }
.plots { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
.questions { min-width: 40rem; } .questions td { min-width: 9rem; max-width: 26rem; }
.right { background: var(--right); } .wrong { background: var(--wrong); }
.questions p { margin: 0 0 .3rem; }
.grid { stroke: var(--edge); } .tick, .axis { fill: var(--dim); font-size: 12px; } .axis { font-size: 13px; }
.middle { text-anchor: middle; } .end { text-anchor: end; } .number { fill: var(--back); font: 600 11px system-ui; }
.curve { fill: none; stroke-width: 2; opacity: .7; } .bar { stroke-width: 2; } .ring { fill: none; stroke-width: 2; }
"""

# One rule for each colour of a series.
SERIES = "\n".join(
    f".spot.s{i}, .small.s{i} {{ fill: var(--s{i}); }} .curve.s{i}, .bar.s{i}, .ring.s{i} {{ stroke: var(--s{i}); }} "
    f".key.s{i} {{ background: var(--s{i}); }}"
    for i in range(8)
)

_BODY = """
{% macro table(one) %}
<div class="scroll"><table>
<thead><tr>{% for word in one.head %}<th scope="col">{{ word|plain }}</th>{% endfor %}</tr></thead>
<tbody>
{% for line in one.lines %}
<tr>{% for cell in line %}<td{% if not loop.first %} class="figure"{% endif %}>{{ cell|plain }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro key(label) %}
<span class="key s{{ labels.index(label) % 8 }}">{{ labels.index(label) + 1 }}</span>
{% endmacro %}
<h1>{{ plan.tasks.name|plain }}</h1>
{% if incomplete %}
<p class="warn"><strong>{{ incomplete|plain }}</strong></p>
{% endif %}
<p class="note">{{ made_by|plain }}</p>
{{ table(whole) }}
{% if plots %}
<h2>Accuracy against cost</h2>
<ul class="legend">
{% for label in labels %}
<li>{{ key(label) }} <span class="text">{{ label|plain }}</span></li>
{% endfor %}
</ul>
<p class="note">Bars: 95% intervals. Rings: no other graph is right as often for less, or more often for as much. Lines:
a strategy's choice among its first candidates.</p>
<div class="plots">
{% for each in plots %}
<figure><figcaption>{{ each.title }}
{% if each.front %}· front: {% for label in each.front %}{{ key(label) }} {% endfor %}{% endif %}
</figcaption>
{{ each.svg }}</figure>
{% endfor %}
</div>
{% endif %}
{% for each in tables %}
<h2>{{ each.title|plain }}</h2>
{% if each.note %}<p class="note">{{ each.note|plain }}</p>{% endif %}
{{ table(each) }}
{% endfor %}
<h2>Questions</h2>
<div class="scroll"><table class="questions">
<thead><tr><th scope="col">question</th><th scope="col">gold</th>
{% for label in labels %}
<th scope="col">{{ key(label) }} <span class="text">{{ label|plain }}</span></th>
{% endfor %}
</tr></thead>
<tbody>
{% for each in questions %}
<tr><td><span class="dim text">{{ each.id|plain }}</span><p class="text">{{ each.prompt|plain }}</p></td>
<td>
{% for gold in each.gold %}
<p class="text">{{ gold|plain }}</p>
{% else %}
<span class="dim">{{ each.gold_note }}</span>
{% endfor %}
</td>
{% for cell in each.cells %}
<td>
{% for row in cell %}
<p class="{{ 'right' if row.right else 'wrong' }}"><strong>{{ '✓' if row.right else '✗' }}</strong>
<span class="text">{{ row.prediction|plain }}</span><br>
<span class="dim">{{ row.status }}
{% if row.stop_reason not in ("", row.status) %}: <span class="text">{{ row.stop_reason|plain }}</span>{% endif %}
· {{ '{:,}'.format(row.tokens) }} tokens · run <code>{{ row.run }}</code>
{% if row.candidates %}
· {{ row.candidates|selectattr('right')|list|length }} of {{ row.candidates|length }} candidates right
{% endif %}
</span></p>
{% else %}
<span class="dim">not run</span>
{% endfor %}
</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% if plan.command %}
<h2>How to repeat it</h2>
<pre>{{ plan.command|plain }}</pre>
{% endif %}
"""

TEMPLATE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{{{ plan.tasks.name|plain }}}}</title>
<style>{STYLE}{SERIES}
</style>
</head>
<body>{_BODY}</body>
</html>
"""
