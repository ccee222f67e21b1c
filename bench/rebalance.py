"""Replays real load against the planner of GPU shares, the simple policies, and the best that hindsight could do.

Printed: {"sizes": [{"gpu_memory_gib", "policies": {NAME: {"J", "gpu_hours", "overload", "oom", "oom_profiled",
"pending", "switches", "marks"}}, "hindsight": {…, "method", "rungs"}, "placement_bound_gpu_hours",
"resident_bound_gpu_hours", "over_placement_bound": {"planner", "hindsight"}, "regret", "met"}], "cases": {NAME: …},
"met"}. J is in GPU-hours; what it adds up is in `rebalancing/world.py`, the replay's rules in
`rebalancing/{trace,scheduler,world}.py`, the bounds in `bound.py`.
`hindsight` is the best uniform R(t), exact or as its `method` says; `regret` is what the planner cost more. It may cost
less, since it also steers pods by soft taints, which no uniform R(t) can: `planner_without_steering` is it without.
`over_placement_bound`: GPU-hours as a multiple of that bound; what the hindsight needs more is no planner's doing.
`met`: J at most 1.10 of the hindsight's, no out-of-memory among profiled workloads, no baseline's J below the planner's
and, where the hindsight shares, GPU-hours within 15 percent of the placement bound; each size says which goals hold.
"""

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.rebalancing.cases import CASES
from bench.rebalancing.chart import draw
from bench.rebalancing.score import score
from bench.rebalancing.subject import EVERY_MINUTES
from bench.rebalancing.trace import Replay, arrivals_of, loads_of, read_pods, read_rows
from bench.rebalancing.world import WEIGHTS

OUT = Path("out") / "bench" / "rebalance"
CASE_GIB = 80


def rebalance(
    *,
    duty: Annotated[Path, typer.Option(help="timestamp_seconds,container,value: percent; .csv.gz.")],
    memory: Annotated[Path, typer.Option(help="timestamp_seconds,container,value: bytes; .csv.gz.")],
    pods: Annotated[Path, typer.Option(help="creation_time, deletion_time, num_gpu, gpu_milli …; .csv.gz.")],
    hours: Annotated[str, typer.Option(help="Which hours of the series, as A-B; not given: all.")] = "",
    warm_up: Annotated[float, typer.Option(help="Hours at R = 1 that count for none.")] = 2.0,
    concurrent: Annotated[int, typer.Option(help="Pods at once, on average.")] = 120,
    gpu_memory_gib: Annotated[str, typer.Option(help="Sizes of a GPU's memory, with commas.")] = "48,80,141",
    seed: Annotated[int, typer.Option(help="Of which pod takes which container's load.")] = 1,
    every: Annotated[int, typer.Option(min=1, help="Minutes between two looks of the planner.")] = EVERY_MINUTES,
    weights: Annotated[str, typer.Option(help="Five: GPU-hour, overload, OOM, pending, switch.")] = "",
    cases: Annotated[bool, typer.Option("--cases", help="Replay the generated adversarial cases as well.")] = False,
) -> dict[str, Any]:
    """Replay, and compare."""
    priced = tuple(float(weight) for weight in weights.split(",")) if weights else WEIGHTS
    if len(priced) != len(WEIGHTS):
        raise typer.BadParameter(f"--weights needs {len(WEIGHTS)} numbers")
    series = read_rows(duty), read_rows(memory)
    first, minutes = _span(hours, max(values[-1][0] for values in series[1].values()) / 3600)
    if minutes <= warm_up * 60:
        raise typer.BadParameter(f"{hours or 'the series'} is no longer than the warm-up")
    loads = loads_of(*series, first, minutes)
    arrivals = arrivals_of(read_pods(pods), loads, minutes, concurrent, seed)
    replay = Replay(minutes, int(warm_up * 60), arrivals, loads)
    sizes = [_measure("trace", replay, int(gib), priced, every) for gib in gpu_memory_gib.split(",")]
    made = {name: _measure(name, make(seed), CASE_GIB, priced, every) for name, make in CASES.items()} if cases else {}
    met = all(all(size["met"].values()) for size in sizes)
    return {"sizes": sizes, "cases": made, "met": met}


def _measure(name: str, replay: Replay, gib: int, weights: tuple[float, ...], every: int) -> dict[str, Any]:
    size, courses = score(replay, gib, weights, every)
    draw(OUT / f"{name}-{gib}.svg", f"{name}, {gib} GiB", courses, replay.warm_up)
    print(f"{name}, {gib} GiB: J {size['policies']['planner']['J']}, regret {size['regret']}", file=sys.stderr)
    return size


def _span(hours: str, last: float) -> tuple[float, int]:
    """The first hour and how many minutes; without a word everything that the series have."""
    first, _, end = hours.partition("-") if hours else ("0", "-", str(math.ceil(last)))
    try:
        return float(first), int((float(end) - float(first)) * 60)
    except ValueError as error:
        raise typer.BadParameter(f"--hours {hours!r} is not A-B") from error
