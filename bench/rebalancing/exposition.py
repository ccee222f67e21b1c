"""What the dcgm-exporter of a node of the replayed pool would answer: the text that the product's parser reads.

With virtual GPUs, as gpuops runs the exporter: the device's own series, and beside them one for each pod, whose
GPU_UTIL and FB_USED are its own. A pod that was killed holds its share until it is back, and uses nothing.
"""

from collections.abc import Iterator

from bench.rebalancing.scheduler import Node
from bench.rebalancing.trace import Replay

NAMESPACE = "default"
RESERVED_MIB = 0
DEGREES, WATTS = 55, 200


def exposition(node: Node, replay: Replay, minute: int, memory_mib: int) -> str:
    """Return the text of one node at one minute."""
    return "\n".join(_lines(node, replay, minute, memory_mib)) + "\n"


def pod_name(workload: str, pod: int) -> str:
    """The name of one pod of a workload."""
    return f"{workload[:16]}-{pod}"


def _lines(node: Node, replay: Replay, minute: int, memory_mib: int) -> Iterator[str]:
    device = f'gpu="0",UUID="GPU-{node.id}",device="nvidia0",modelName="replayed",Hostname="node-{node.id}"'
    loads = [(pod, replay.loads[pod.spec.workload]) for pod in node.pods]
    used = sum(load.memory_mib[minute] or 0 for _, load in loads)
    busy = sum(load.busy[minute] or 0.0 for _, load in loads)
    own = {
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": f"{min(1.0, busy):.4f}",
        "DCGM_FI_DEV_FB_USED": used,
        "DCGM_FI_DEV_FB_FREE": max(0, memory_mib - used),
        "DCGM_FI_DEV_FB_RESERVED": RESERVED_MIB,
        "DCGM_FI_DEV_GPU_TEMP": DEGREES,
        "DCGM_FI_DEV_POWER_USAGE": WATTS,
        "DCGM_FI_DEV_XID_ERRORS": 0,
    }
    yield from (f"{name}{{{device}}} {value}" for name, value in own.items())
    lives = [(pod, load.busy[minute] or 0.0, load.memory_mib[minute] or 0) for pod, load in loads]
    for place, (pod, part, mib) in enumerate([*lives, *((pod, 0.0, 0) for pod in node.fallen)]):
        name = pod_name(pod.spec.workload, pod.spec.id)
        who = f'{device},vgpu="{place}",pod="{name}",namespace="{NAMESPACE}",container="main",pod_uid="{pod.spec.id}"'
        yield f"DCGM_FI_DEV_GPU_UTIL{{{who}}} {round(part * 100)}"
        yield f"DCGM_FI_DEV_FB_USED{{{who}}} {mib}"
