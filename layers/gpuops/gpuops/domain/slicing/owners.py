"""Whose pods hold GPUs: raw pods of the API as the planner wants to know them.

A workload is what its owner calls it, and not the pod: a ReplicaSet is its Deployment, a Job its CronJob, so that what
was learnt of one pod holds for the next.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gpuops.domain.keys import GPU_RESOURCE, MEMORY_MIB, MIG_PREFIX, SHARED_GPU_RESOURCE
from gpuops.domain.pods import Pod, Raw, read_pod
from gpuops.domain.slicing.gather import Owner

HASH_LABEL = "pod-template-hash"
NODE_MEMORY = "OOMKilled"
BY_SIGNAL = (137, 143)
"""SIGKILL and SIGTERM: kubelet ends so what is not alive or is to go, and no program that lacks a GPU's memory."""
SCHEDULED = re.compile(r"-\d{8,}$")
"""What a CronJob adds to the names of its Jobs: the minute, since 1970."""


@dataclass(frozen=True)
class Census:
    """The pods that ask for GPUs."""

    owners: Mapping[str, Owner] = field(default_factory=dict)
    """By `namespace/name`."""
    declared: Mapping[str, int] = field(default_factory=dict)
    """MiB that a workload says it needs at most."""
    pending: tuple[Pod, ...] = ()
    """On no node yet."""


def census_of(raws: Iterable[Raw]) -> Census:
    """Read them all."""
    owners: dict[str, Owner] = {}
    declared: dict[str, int] = {}
    pending: list[Pod] = []
    for raw in raws:
        pod = read_pod(raw)
        if pod.finished or pod.smoke or not (pod.gpus or _wants_mig(raw)):
            continue
        owner = owners[pod.title] = Owner(workload_of(raw), why_exclusive(pod, raw), has_fallen(raw))
        mib = (raw["metadata"].get("annotations") or {}).get(MEMORY_MIB, "")
        if mib.isdecimal():
            declared[owner.workload] = max(int(mib), declared.get(owner.workload, 0))
        if not raw["spec"].get("nodeName") and not owner.exclusive:
            pending.append(pod)
    return Census(owners, declared, tuple(pending))


def workload_of(raw: Raw) -> str:
    """Return `namespace/Kind/name` of what owns the pod; of a bare pod its own."""
    meta = raw["metadata"]
    owner: Raw = next((o for o in meta.get("ownerReferences", ()) if o.get("controller")), {})
    kind, name = owner.get("kind", "Pod"), owner.get("name", meta["name"])
    template = (meta.get("labels") or {}).get(HASH_LABEL, "")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        kind, name = "Deployment", name.removesuffix(f"-{template}")
    elif kind == "Job" and SCHEDULED.search(name):
        kind, name = "CronJob", SCHEDULED.sub("", name)
    return f"{meta['namespace']}/{kind}/{name}"


def why_exclusive(pod: Pod, raw: Raw) -> str:
    """Why the pod must have its GPUs to itself; empty where it need not."""
    if pod.completes:
        return f"{pod.title} is training"
    if pod.gpus > 1:
        return f"{pod.title} asks for {pod.gpus} GPUs"
    if _wants_mig(raw):
        return f"{pod.title} asks for a MIG instance"
    return f"{pod.title} claims devices (DRA)" if raw["spec"].get("resourceClaims") else ""


def has_fallen(raw: Raw) -> bool:
    """Whether a container of it that asks for a GPU ended by an error, and kubelet has not started it again yet.

    A CUDA program that gets no memory ends by itself, with a code of its own choice. `OOMKilled` is the kernel's word
    about the node's memory, and says nothing of the GPU's; nor does a pod that is being deleted.
    """
    if "deletionTimestamp" in raw["metadata"]:
        return False
    asking = {
        c.get("name") for c in raw["spec"].get("containers", ()) if _limits(c) & {GPU_RESOURCE, SHARED_GPU_RESOURCE}
    }
    statuses = (c for c in raw["status"].get("containerStatuses") or () if c.get("name") in asking)
    states = ((c.get("state") or {}, c.get("lastState") or {}) for c in statuses)
    ends = (now.get("terminated") or ("waiting" in now and last.get("terminated")) or {} for now, last in states)
    return any(end.get("exitCode", 0) not in (0, *BY_SIGNAL) and end.get("reason") != NODE_MEMORY for end in ends)


def _wants_mig(raw: Raw) -> bool:
    limits = (_limits(container) for container in raw["spec"].get("containers", ()))
    return any(name.startswith(MIG_PREFIX) for each in limits for name in each)


def _limits(container: Raw) -> set[str]:
    """Names of the resources that it asks for."""
    return set((container.get("resources") or {}).get("limits") or {})
