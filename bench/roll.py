"""Rolls groups of several sizes through the whole rehearsal, and compares each with the soonest it could have ended.

Printed: {"sizes": [{"nodes", "surge", "makespan_seconds", "bound_seconds", "ratio", "transitions_per_node",
"calls_per_node", "dollars_per_node", "wall_seconds"}], "met"}. `makespan_seconds` are simulated, from the start of
rotate_ami until the last old Node is gone; the bound and its formula are in `rolling/bound.py`, prices in
`rolling/bill.py`, the group and its surge in `rolling/story.py`. `met`: no ratio above 1.10, at most 40 transitions and
$0.005 a node, and calls for each node that do not grow with the group: no size needs a tenth more than the smallest.
"""

import sys
from pathlib import Path
from typing import Any

from bench.rolling.bill import Bill, bill_of
from bench.rolling.bound import bound_seconds
from bench.rolling.story import story_of, surge_of
from bench.rolling.witness import Witness
from rehearsal.report import Result
from rehearsal.run import rehearse

OUT = Path("out") / "bench"
MOST_RATIO, MOST_TRANSITIONS, MOST_DOLLARS, MOST_GROWTH = 1.10, 40, 0.005, 1.10


class RollFailedError(Exception):
    """The roll that was to be measured did not pass its rehearsal."""


def roll(nodes: str = "20,100,500") -> dict[str, Any]:
    """Measure a roll of each of these sizes, given with commas between them."""
    sizes = [_measure(int(size)) for size in nodes.split(",")]
    return {"sizes": sizes, "met": _met(sizes)}


def _measure(nodes: int) -> dict[str, Any]:
    out = OUT / f"roll-{nodes}"
    witness = Witness(lambda text: print(f"{nodes} nodes: {text}", file=sys.stderr, flush=True))
    result = rehearse(story_of(nodes), out=out, view=witness, beside=witness.meet)
    if result.status != "passed":
        raise RollFailedError(f"{nodes} nodes: {'; '.join(result.missed)}; see {out}/report.html")
    return _figures(nodes, result, witness, bill_of(result.executions, out / "wire.jsonl", nodes))


def _figures(nodes: int, result: Result, witness: Witness, bill: Bill) -> dict[str, Any]:
    started = next(e.started for e in result.executions if e.machine == "rotate_ami")
    makespan = max(life.forgotten or 0.0 for life in witness.old.values()) - started
    boots = [life.offered - life.launched for life in witness.newcomers() if life.offered is not None]
    bound = bound_seconds(boots, surge_of(nodes))
    return {
        "nodes": nodes,
        "surge": surge_of(nodes),
        "makespan_seconds": round(makespan, 1),
        "bound_seconds": round(bound, 1),
        "ratio": round(makespan / bound, 3),
        "transitions_per_node": round(bill.transitions / nodes, 1),
        "calls_per_node": round(bill.calls / nodes, 1),
        "dollars_per_node": round(bill.dollars / nodes, 5),
        "wall_seconds": result.wall_seconds,
    }


def _met(sizes: list[dict[str, Any]]) -> bool:
    each = all(
        size["ratio"] <= MOST_RATIO
        and size["transitions_per_node"] <= MOST_TRANSITIONS
        and size["dollars_per_node"] <= MOST_DOLLARS
        for size in sizes
    )
    fewest = min(sizes, key=lambda size: int(size["nodes"]))["calls_per_node"]
    return each and all(size["calls_per_node"] <= fewest * MOST_GROWTH for size in sizes)
