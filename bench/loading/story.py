"""The three loads: a large group that rolls in a cluster full of pods, many groups polled, a minute of alarms."""

from math import ceil

from bench.rolling.story import story_of
from rehearsal.scenario import Scenario

PODS_A_NODE = 200
"""Of an m7i.8xlarge, which has room for 234."""
ALARMS_A_NODE = 20
MINUTE = 60.0
POLLS = 2
XID = 79
OLD = "ami-0a202607140000001"


def rolling(nodes: int, pods: int) -> Scenario:
    """The group of `bench roll`, beside so many pods of other people."""
    plain = story_of(nodes).model_dump(mode="json", exclude_unset=True)
    size = ceil(pods / PODS_A_NODE)
    regular = {"name": "others", "kind": "regular", "instance_type": "m7i.8xlarge", "zones": ["us-east-1a"]}
    cpu = {"release": "1.36.2-20260714", "ami": "ami-0a20260714000000c"}
    others = {"kind": "deployment", "name": "others", "namespace": "others", "replicas": pods}
    more = {
        "releases": [*plain["releases"], cpu],
        "groups": [*plain["groups"], {**regular, "size": size, "max": size, "release": cpu["ami"]}] if pods else [],
        "workloads": [*plain["workloads"], others],
    }
    return Scenario.model_validate({**plain, **(more if pods else {}), "name": f"load-roll-{nodes}"})


def polled(groups: int) -> Scenario:
    """So many empty groups, and two looks for releases at them all."""
    names = [f"gpu-{number:03}" for number in range(groups)]
    return Scenario.model_validate({
        **_world(f"load-polls-{groups}", "Every group is looked at by each poll."),
        "groups": [_group(name, 0) for name in names],
        "policy": {"groups": [{"group": name, "cluster": "demo"} for name in names]},
        "parameters": {"DetectSchedule": "rate(5 minutes)"},
        "until_seconds": POLLS * 300 + 30,
    })  # fmt: skip


def alarming(alarms: int) -> Scenario:
    """So many alarms within a minute: a node's ring together, as its fault makes them do."""
    nodes, each = ceil(alarms / ALARMS_A_NODE), MINUTE / ceil(alarms / ALARMS_A_NODE)
    names = [f"xid-{number:04}" for number in range(alarms)]
    watched = [{"group": "gpu-fleet", "index": number // ALARMS_A_NODE} for number in range(alarms)]
    return Scenario.model_validate({
        **_world(f"load-alarms-{alarms}", "However many alarms speak of a node, one execution answers for it."),
        "groups": [_group("gpu-fleet", nodes)],
        "alarms": [{"name": name, "watches": watch} for name, watch in zip(names, watched, strict=True)],
        "policy": {"groups": [{"group": "gpu-fleet", "cluster": "demo"}]},
        "timeline": [
            {"at": MINUTE + int(number // ALARMS_A_NODE * each), "alarm": {"name": name, "value": XID}}
            for number, name in enumerate(names)
        ],
        "until_seconds": 1800,
        "expect": {"executions": [{"machine": "remediate_gpu", "status": "SUCCEEDED", "count": nodes}]},
    })  # fmt: skip


def _world(name: str, description: str) -> dict[str, object]:
    release = {"release": "1.36.2-20260714", "ami": OLD, "driver": "580.159.03", "cuda": "13.0"}
    return {
        "name": name, "description": description, "cluster": "demo", "zones": [{"name": "us-east-1a"}],
        "releases": [release],
    }  # fmt: skip


def _group(name: str, size: int) -> dict[str, object]:
    return {
        "name": name, "instance_type": "g4dn.xlarge", "zones": ["us-east-1a"], "size": size, "max": max(1, size),
        "release": OLD, "labels": {"nvidia.com/gpu": "true"}, "taints": ["nvidia.com/gpu=true:NoSchedule"],
        "startup_taint": True, "admitted": True,
    }  # fmt: skip
