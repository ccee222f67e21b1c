"""Times a fault from its alarm to the closed node, in real time; each function's process starts cold for each call.

Printed: {"rounds", "p50_seconds", "p95_seconds", "slowest_seconds", "limit_seconds", "met"}. Counted is whatever runs
from the moment at which the alarm's event is on the bus until the apiserver's watch shows the Node unschedulable, on
this machine: queue, receive_signals, Step Functions' interpreter, isolate_node, each with imports and calls. Not
counted is what AWS adds to each (the bus, SQS's long poll, a micro-VM); simulated waits take no real time.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.chronicle import Chronicle
from rehearsal.rest.mirror import Seen
from rehearsal.run import rehearse
from rehearsal.scenario import Scenario
from rehearsal.world import World

OUT = Path("out") / "bench"
LIMIT_SECONDS = 2.0
GROUP, AMI = "gpu-fleet", "ami-0a202607140000001"
UNKNOWN_XID = 999
"""One that is in no table: its node is closed, people are called, and nothing else takes time between two rounds."""
FIRST_SECONDS, PAUSE_SECONDS = 60, 60


class NotClosedError(Exception):
    """A node whose alarm rang was not closed."""


def remediate(rounds: int = 20) -> dict[str, Any]:
    """Measure so many faults, one after the other, each on a node of its own."""
    witness = Witness()
    rehearse(story_of(rounds), out=OUT / "remediate", view=witness, beside=witness.meet)
    missing = sorted(witness.rang.keys() - witness.closed.keys())
    if missing or len(witness.closed) < rounds:
        raise NotClosedError(f"{len(witness.closed)} of {rounds} nodes were closed; not: {', '.join(missing)}")
    taken = sorted(witness.closed[instance] - witness.rang[instance] for instance in witness.rang)
    p95 = taken[math.ceil(0.95 * len(taken)) - 1]
    return {
        "rounds": rounds,
        "p50_seconds": round(statistics.median(taken), 3),
        "p95_seconds": round(p95, 3),
        "slowest_seconds": round(taken[-1], 3),
        "limit_seconds": LIMIT_SECONDS,
        "met": p95 <= LIMIT_SECONDS,
    }


def story_of(rounds: int) -> Scenario:
    """One group with a node for each round, and an alarm over each node."""
    alarms = [{"name": f"xid-{i}", "watches": {"group": GROUP, "index": i}} for i in range(rounds)]
    ring = [
        {"at": FIRST_SECONDS + i * PAUSE_SECONDS, "alarm": {"name": f"xid-{i}", "value": UNKNOWN_XID}}
        for i in range(rounds)
    ]
    return Scenario.model_validate({
        "name": "remediate",
        "description": "One alarm after the other, each over a node of its own.",
        "cluster": "demo",
        "zones": [{"name": "us-east-1a"}],
        "releases": [{"release": "1.36.2-20260714", "ami": AMI, "driver": "580.159.03", "cuda": "13.0"}],
        "groups": [_group(rounds)],
        "alarms": alarms,
        "workloads": [{
            "kind": "daemonset", "name": "nvidia-device-plugin", "namespace": "kube-system", "preset": "device_plugin",
        }],
        "policy": {"groups": [{"group": GROUP, "cluster": "demo", "mode": "apply"}], "budget": {"nodes": rounds}},
        "timeline": ring,
        "until_seconds": FIRST_SECONDS + (rounds + 1) * PAUSE_SECONDS,
    })  # fmt: skip


def _group(nodes: int) -> dict[str, object]:
    return {
        "name": GROUP, "instance_type": "g4dn.xlarge", "zones": ["us-east-1a"], "size": nodes, "max": nodes,
        "release": AMI, "labels": {"nvidia.com/gpu": "true"}, "taints": ["nvidia.com/gpu=true:NoSchedule"],
    }  # fmt: skip


@dataclass
class Witness:
    """The rehearsal's view; notes real times, from outside the product."""

    rang: dict[str, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    """By instance: when its alarm's event was on the bus, and when its Node was first seen closed."""

    def phase(self, text: str) -> None:
        """Say what is being done now."""
        print(text, file=sys.stderr, flush=True)

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Nothing: the world itself is watched."""

    def meet(self, world: World) -> None:
        """From now on every call is a cold start, and every alarm and Node is noted."""
        world.lambdas.cold = True
        world.region.bus.listeners.append(self._heard)
        world.mirror.subscribe(self._seen)

    def _heard(self, event: Mapping[str, Any]) -> None:
        detail = event["detail"]
        if event["source"] == "aws.cloudwatch" and detail["state"]["value"] == "ALARM":
            dimensions = detail["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"]
            self.rang[dimensions["InstanceId"]] = time.perf_counter()

    def _seen(self, seen: Seen) -> None:
        if seen.kind == "node" and seen.after is not None and seen.after["spec"].get("unschedulable"):
            instance = str(seen.after["spec"].get("providerID", "")).rpartition("/")[2]
            self.closed.setdefault(instance, time.perf_counter())
