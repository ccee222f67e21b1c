"""Writes report.html: the verdict first, then the nodes over time, then what each execution did.

Names of pods, nodes and errors come from outside and are escaped; the page needs no script and no network.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from rehearsal.chronicle import STATUSES, Lane
from rehearsal.report.chart import COLOURS, hours, lanes_chart
from rehearsal.report.result import ExecutionResult, Result

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #1d2329 }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.passed { color: #2d7a4b } .failed { color: #b3372e }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 1rem 0 }
.facts b { display: block; font-size: 1.25rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .6rem; vertical-align: top;
  border-bottom: 1px solid #dde1e6 } th { font-weight: 600 }
svg { width: 100%; height: auto } .lane { font-size: 11px } text.tick { font-size: 10px; fill: #68717c }
line.tick { stroke: #e3e6ea } .key i { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em }
details { margin: .1rem 0 } summary { cursor: pointer } code { font-size: .9em }
"""


def page(result: Result, nodes: Sequence[Lane], calls: Iterable[tuple[str, int, int]], limits: str) -> str:
    """Return the whole page.

    `calls` are (caller, calls, refused) from the wire's record; `limits` says what was real and what was simulated.
    """
    body = [
        f"<h1>{escape(result.scenario)}: <span class={result.status}>{result.status}</span></h1>",
        _facts(result),
        _problems(result),
        "<h2>Nodes over simulated time</h2>",
        _key(),
        lanes_chart(nodes, min(0.0, result.simulated_seconds), result.simulated_seconds),
        "<h2>Executions</h2>",
        _executions(result.executions),
        "<h2>Calls at the wire</h2>",
        _table(("caller", "calls", "refused"), calls),
        f"<h2>What was real</h2><pre>{escape(limits)}</pre>",
    ]
    title = f"{escape(result.scenario)}: {result.status}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body>{''.join(body)}</body></html>\n"
    )


def _facts(result: Result) -> str:
    observed = result.observed
    facts: dict[str, Any] = {
        "simulated": hours(result.simulated_seconds) + " h",
        "wall": f"{result.wall_seconds:.0f} s",
        "nodes replaced": observed.get("nodes_replaced"),
        "fewest ready GPUs": observed.get("min_ready_gpus"),
        "evictions": observed.get("evictions"),
        "refused by a budget": observed.get("evictions_refused"),
        "violations": len(observed.get("violations", ())),
    }
    cells = (f"<span><b>{escape(str(value))}</b>{escape(name)}</span>" for name, value in facts.items())
    return f"<div class=facts>{''.join(cells)}</div>"


def _problems(result: Result) -> str:
    rows = [(v["rule"], v["what"], hours(v["at"])) for v in result.observed.get("violations", ())]
    rows += [("expected", what, "at the end") for what in result.unmet]
    return f"<h2>What went wrong</h2>{_table(('rule', 'what', 'when'), rows)}" if rows else ""


def _key() -> str:
    shown = [status for status in STATUSES if COLOURS[status] != "none"]
    entries = [f'<i style="background:{COLOURS[status]}"></i>{status}' for status in shown]
    return f"<p class=key>{''.join(entries)}</p>"


def _executions(executions: Sequence[ExecutionResult]) -> str:
    ticks = [e for e in executions if (e.machine, e.status) == ("reconcile", "SUCCEEDED")]
    rows = [f"<tr><td>reconcile<td>{len(ticks)} ticks of the schedule<td>SUCCEEDED<td><td>"] if ticks else []
    for e in (e for e in executions if e not in ticks):
        seconds = "running" if e.simulated_seconds is None else f"{e.simulated_seconds:,.0f} s"
        path = "<br>".join(f"<code>{hours(at)}</code> {escape(state)}" for at, state in e.states)
        why = f"<br>{escape(e.error)}: {escape(e.cause or '')}" if e.error else ""
        rows.append(
            f"<tr><td>{escape(e.machine)}<td><details><summary>{escape(e.name)}</summary>{path}</details>"
            f"<td>{escape(e.status)}{why}<td>{hours(e.started)}<td>{seconds}"
        )
    head = "<tr><th>machine<th>execution<th>status<th>started<th>took"
    return f"<table>{head}{''.join(rows)}</table>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{escape(name)}" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    return f"<table><tr>{head}{body}</table>"
