"""The roll that is measured: one self-managed group of idle and serving nodes, the policy at its defaults.

The surge is a tenth of the group, at least one and at most 40 (the most that one Map runs at once). Every second node
serves one pod of a Deployment whose budget lets as many pods go at a time as there is surge. The floor is the group's
own size, held by the observer all the time. No canary goes first: it and its bake wait on purpose.
"""

from rehearsal.scenario import Scenario

MOST_AT_ONCE = 40
GROUP = "gpu-fleet"
OLD, NEW = "ami-0a202607140000001", "ami-0a202611200000001"
START_SECONDS = 60
HOURS = 24


def surge_of(nodes: int) -> int:
    """How many nodes are replaced at a time."""
    return max(1, min(nodes // 10, MOST_AT_ONCE))


def story_of(nodes: int) -> Scenario:
    """The scenario for a group of this size."""
    surge, zones = surge_of(nodes), ["us-east-1a", "us-east-1b", "us-east-1c"]
    return Scenario.model_validate({
        "name": f"roll-{nodes}",
        "description": f"{nodes} nodes of one group move to a new AMI, {surge} at a time.",
        "cluster": "demo",
        "zones": [{"name": zone} for zone in zones],
        "releases": [
            {"release": "1.36.2-20260714", "ami": OLD, "driver": "580.159.03", "cuda": "13.0"},
            {"release": "1.36.3-20261120", "ami": NEW, "driver": "580.173.02", "cuda": "13.0"},
        ],
        "groups": [_group(nodes, zones)],
        "workloads": _workloads(nodes, surge),
        "policy": {"groups": [_policy(surge)]},
        "timeline": [{"at": START_SECONDS, "start": _start()}],
        "until_seconds": HOURS * 3600,
        "expect": _expectations(nodes),
    })  # fmt: skip


def _policy(surge: int) -> dict[str, object]:
    return {"group": GROUP, "cluster": "demo", "mode": "apply", "surge": surge, "canary": {"nodes": 0}}


def _group(nodes: int, zones: list[str]) -> dict[str, object]:
    return {
        "name": GROUP,
        "instance_type": "g4dn.xlarge",
        "zones": zones,
        "size": nodes,
        "max": nodes,
        "release": OLD,
        "labels": {"nvidia.com/gpu": "true"},
        "taints": ["nvidia.com/gpu=true:NoSchedule"],
    }


def _workloads(nodes: int, surge: int) -> list[dict[str, object]]:
    pods = max(1, nodes // 2)
    return [
        {"kind": "daemonset", "name": "nvidia-device-plugin", "namespace": "kube-system", "preset": "device_plugin"},
        {
            "kind": "deployment",
            "name": "inference",
            "replicas": pods,
            "gpus": 1,
            "min_available": max(0, pods - surge),
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    ]


def _start() -> dict[str, object]:
    return {"machine": "rotate_ami", "input": {"cluster": "demo", "group": GROUP, "ami": NEW}}


def _expectations(nodes: int) -> dict[str, object]:
    executions = [
        {"machine": "rotate_ami", "status": "SUCCEEDED", "count": 1},
        {"machine": "replace_node", "status": "SUCCEEDED", "count": nodes},
    ]
    return {"executions": executions, "nodes_replaced": nodes, "floor_gpus": nodes}
