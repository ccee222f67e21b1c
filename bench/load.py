"""Loads the whole rehearsal, and says what that costs in calls, memory, history and traffic on single keys.

Three loads: one group of `nodes` rolls in a cluster with `pods` pods of other people; `groups` groups are polled; so
many `alarms` ring within a minute, 20 over each node. The largest roll is `--nodes 500`, most of an hour; by default it
is of a hundred.

Printed: {"roll": {"nodes", "pods", "calls_per_node", "wall_seconds"}, "polls": {"groups", "polls", "calls_per_poll"},
"alarms": {"alarms", "nodes", "executions", "calls_per_alarm", "met"}, "memory": {"peak_mib": {FUNCTION: MIB}, …},
"history": {"longest_events", "machine", …}, "keys": {"hottest": [{"key", "peak_calls_a_second", "calls"}], …}, "met"}.
The goals and their sources: `loading/figures.py`. Memory is that of the real processes, those libraries included that a
rehearsal imports once for all functions; a second is simulated, in which everything that happens at one moment falls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.loading import figures
from bench.loading.story import ALARMS_A_NODE, POLLS, alarming, polled, rolling
from bench.loading.witness import Witness
from rehearsal.engine.histories import history_sizes
from rehearsal.report import Result
from rehearsal.run import rehearse
from rehearsal.scenario import Scenario
from rehearsal.wire import read_record

OUT = Path("out") / "bench"


class LoadFailedError(Exception):
    """What was to be measured did not pass its rehearsal."""


@dataclass(frozen=True)
class Load:
    """One story, and what was noted of it."""

    result: Result
    calls: list[dict[str, Any]]
    peaks: dict[str, float]
    histories: dict[str, int]

    @property
    def total(self) -> int:
        """The calls of all functions."""
        return figures.calls_by_function(self.calls).total()


def load(nodes: int = 100, groups: int = 100, alarms: int = 1000, pods: int = 5000) -> dict[str, Any]:
    """Measure the three loads, one after the other; one of nothing is left out."""
    sizes = {"roll": nodes, "polls": groups, "alarms": alarms}
    stories = {
        "roll": partial(rolling, nodes, pods),
        "polls": partial(polled, groups),
        "alarms": partial(alarming, alarms),
    }
    loads = {part: _measure(story()) for part, story in stories.items() if sizes[part]}
    return _measured({"nodes": nodes, "pods": pods, "groups": groups, "alarms": alarms}, loads)


def _measured(asked: Mapping[str, int], loads: Mapping[str, Load]) -> dict[str, Any]:
    """What is printed."""
    told = {"roll": _roll, "polls": _polls, "alarms": _alarms}
    measured = {part: told[part](asked, measured) for part, measured in loads.items()} | {
        "memory": figures.memory(each.peaks for each in loads.values()),
        "history": figures.history(each.histories for each in loads.values()),
        "keys": figures.keys(each.calls for each in loads.values()),
    }
    return {**measured, "met": all(part.get("met", True) for part in measured.values())}


def _roll(asked: Mapping[str, int], roll: Load) -> dict[str, Any]:
    """What the roll took."""
    return {
        "nodes": asked["nodes"],
        "pods": asked["pods"],
        "calls_per_node": round(roll.total / asked["nodes"], 1),
        "wall_seconds": roll.result.wall_seconds,
    }


def _polls(asked: Mapping[str, int], polls: Load) -> dict[str, Any]:
    """What a look at all groups took."""
    looks = figures.calls_by_function(polls.calls)["DetectRelease"]
    return {"groups": asked["groups"], "polls": POLLS, "calls_per_poll": round(looks / POLLS, 1)}


def _alarms(asked: Mapping[str, int], rung: Load) -> dict[str, Any]:
    """How many executions they came to."""
    alarms = asked["alarms"]
    nodes = -(-alarms // ALARMS_A_NODE)
    executions = sum(execution.machine == "remediate_gpu" for execution in rung.result.executions)
    calls = round(rung.total / alarms, 1)
    return {
        "alarms": alarms,
        "nodes": nodes,
        "executions": executions,
        "calls_per_alarm": calls,
        "met": executions == nodes,
    }


def _measure(story: Scenario) -> Load:
    out, witness = OUT / story.name, Witness()
    try:
        result = rehearse(story, out=out, view=witness, beside=witness.meet)
    finally:
        witness.stop()
    if result.status != "passed":
        raise LoadFailedError(f"{story.name}: {'; '.join(result.missed)}; see {out}/report.html")
    return Load(result, read_record(out / "wire.jsonl"), dict(witness.peaks), history_sizes())
