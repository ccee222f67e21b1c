"""Whether a launched instance's node is there, complete, or too late.

The instance's life decides before its node does: an instance on its way out is no failure of its node.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gpuops.domain.admission.event import Launch
from gpuops.domain.cluster import Node
from gpuops.domain.keys import GPU_RESOURCE, SHARED_GPU_RESOURCE
from gpuops.domain.slicing.shape import Shape

PENDING = ("Pending", "Pending:Wait", "Pending:Proceed")
REPLACING = ("ReplacingRootVolume", "ReplacingRootVolume:Wait", "ReplacingRootVolume:Proceed", "RootVolumeReplaced")
"""Auto Scaling's states of an instance that gets a new root volume (user guide, "Replace root volumes")."""
WAITING = ("Pending:Wait", "ReplacingRootVolume:Wait")
HELD = (*PENDING, "ReplacingRootVolume:Wait")
"""A launch hook of ours waits for us, or may be about to."""
ALIVE = (*PENDING, *REPLACING, "InService")


@dataclass(frozen=True)
class Found:
    """Where the search for a node stands."""

    status: Literal["found", "waiting", "ignored", "gone", "overdue", "replacing"]
    """`replacing`: its hook waits for its pods to go before its root volume does."""
    reason: str


@dataclass(frozen=True)
class Checked:
    """Where the check of a node stands."""

    status: Literal["ready", "waiting", "overdue"]
    reason: str
    shape: Shape = field(default_factory=Shape)
    """What it offers, once it is ready."""


def decide_find(launch: Launch, lifecycle: str | None, node: Node | None, deadline: datetime, now: datetime) -> Found:
    """Wait for the instance's node until the deadline. `lifecycle` is None once Auto Scaling has forgotten it."""
    if lifecycle not in ALIVE:
        return Found("gone", f"{launch.instance} is {lifecycle or 'no longer in its group'}")
    if node is None:
        return _awaited(f"{launch.instance} has registered no node", deadline, now)
    if lifecycle in WAITING and (launch.replaces_root or not node.restarted):
        return Found("replacing", f"{node.name} gets a new root volume")
    if not node.restarted:
        return _awaited(f"{node.name} has not restarted for its new root volume", deadline, now)
    if lifecycle == "InService" and not node.pending:
        why = "is admitted already" if node.admitted else "carries no startup taint: it was in service before gpuops"
        return Found("ignored", f"{node.name} {why}")
    return Found("found", f"{launch.instance} is {node.name}")


def _awaited(what: str, deadline: datetime, now: datetime) -> Found:
    """The same thing missing, waited for or given up."""
    return Found("overdue", f"{what} by {deadline.isoformat()}") if now >= deadline else Found("waiting", f"{what} yet")


def decide_check(node: Node | None, gpus: int, wanted: Shape | None, deadline: datetime, now: datetime) -> Checked:
    """Ready means kubelet's word for it and every GPU, replicas counted, open to the scheduler.

    More than expected is as wrong as fewer: a sharing configuration that nobody asked for. `wanted` is None where no
    label of ours does anything: then any number of shares is right that is the same for each GPU.
    """
    if node is None:
        return _late("its node is gone", deadline, now)
    if not node.ready:
        return _late(f"{node.name} is not Ready: {node.readiness}", deadline, now)
    if node.mig:
        return Checked("ready", f"{node.name} is Ready and left alone: MIG cuts its GPUs")
    shape = _offered(node, gpus)
    if shape is None or wanted not in (None, shape):
        return _late(f"{node.name} offers {_missed(node, gpus, wanted)} (device plugin)", deadline, now)
    name = "" if shape.resource == GPU_RESOURCE else f" as {shape.resource}"
    return Checked("ready", f"{node.name} is Ready and offers {gpus} GPUs x {shape.replicas}{name}", shape)


def _missed(node: Node, gpus: int, wanted: Shape | None) -> str:
    """What it offers, and what it should."""
    offered = f"{node.gpus} {GPU_RESOURCE} and {node.shared_gpus} {SHARED_GPU_RESOURCE}"
    if wanted is None:
        return f"{offered}, which is not the same of each of {gpus} GPUs"
    if wanted.resource == GPU_RESOURCE and not node.shared_gpus:
        return f"{node.gpus} of {gpus} GPUs x {wanted.replicas}"
    return f"{offered}, not {gpus} GPUs x {wanted.replicas} as {wanted.resource}"


def _offered(node: Node, gpus: int) -> Shape | None:
    """The shape of what the node offers; None where it is none: nothing, uneven, or under both names."""
    for resource, other in ((GPU_RESOURCE, SHARED_GPU_RESOURCE), (SHARED_GPU_RESOURCE, GPU_RESOURCE)):
        count = node.offers(resource)
        if count and count % gpus == 0 and not node.offers(other):
            return Shape(count // gpus, resource)
    return None


def _late(reason: str, deadline: datetime, now: datetime) -> Checked:
    """The same fault, waited for or given up."""
    return Checked("overdue", f"{reason} by {deadline.isoformat()}") if now >= deadline else Checked("waiting", reason)
