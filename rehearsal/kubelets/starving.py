"""Programs that get no memory of a GPU: what its other pods leave when they start must be enough.

Only the newcomer fails, as a CUDA program does that asks for more than is free; whoever runs keeps what it has.
"""

from collections.abc import Mapping
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.exporter import BUSY, MEMORY_MIB, RESERVED_MIB, Load
from rehearsal.kubelets.run import Run

BACK_OFF_SECONDS: Final = 300.0
"""Kubelet's longest wait before it tries again; the shorter ones before it are left out."""


def starves(run: Run, runs: Mapping[str, Run]) -> bool:
    """Whether it takes more memory than the pods that run on one of its GPUs leave."""
    devices, room = run.machine.devices, run.machine.hardware.gpu_memory_mib - RESERVED_MIB
    for gpu in devices.gpus_of(run.uid):
        others = [runs[uid] for uid, _ in devices.shares(gpu) if uid != run.uid]
        running = [other.pod for other in others if other.stage == "running"]
        if Load(gpu, [run.pod, *running], 0.0).used_mib > room:
            return True
    return False


def seen_of(run: Run) -> Json:
    """The pod as the exporter has it: one that crashes holds its share, and uses nothing."""
    if run.stage != "crashing":
        return run.pod
    meta: Json = run.pod["metadata"]
    idle = {**meta.get("annotations", {}), BUSY: "0", MEMORY_MIB: "0"}
    return {**run.pod, "metadata": {**meta, "annotations": idle}}
