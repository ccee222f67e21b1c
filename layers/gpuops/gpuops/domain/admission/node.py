"""Whether a launched instance's node is there, complete, or too late.

The instance's life decides before its node does: an instance on its way out is no failure of its node.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpuops.domain.cluster import Node

PENDING = ("Pending", "Pending:Wait", "Pending:Proceed")
ALIVE = (*PENDING, "InService")


@dataclass(frozen=True)
class Found:
    """Where the search for a node stands."""

    status: Literal["found", "waiting", "ignored", "gone", "overdue"]
    reason: str


@dataclass(frozen=True)
class Checked:
    """Where the check of a node stands."""

    status: Literal["ready", "waiting", "overdue"]
    reason: str


def decide_find(instance: str, lifecycle: str | None, node: Node | None, deadline: datetime, now: datetime) -> Found:
    """Wait for the instance's node until the deadline. `lifecycle` is None once Auto Scaling has forgotten it."""
    if lifecycle not in ALIVE:
        return Found("gone", f"{instance} is {lifecycle or 'no longer in its group'}")
    if node is not None and lifecycle == "InService" and not node.pending:
        why = "is admitted already" if node.admitted else "carries no startup taint: it was in service before gpuops"
        return Found("ignored", f"{node.name} {why}")
    if node is not None:
        return Found("found", f"{instance} is {node.name}")
    if now >= deadline:
        return Found("overdue", f"{instance} has registered no node by {deadline.isoformat()}")
    return Found("waiting", f"{instance} has registered no node yet")


def decide_check(node: Node | None, gpus: int, replicas: int, deadline: datetime, now: datetime) -> Checked:
    """Ready means kubelet's word for it and every GPU, replicas counted, open to the scheduler.

    More than expected is as wrong as fewer: a sharing configuration that nobody asked for.
    """
    if node is None:
        return _late("its node is gone", deadline, now)
    if not node.ready:
        return _late(f"{node.name} is not Ready: {node.readiness}", deadline, now)
    if node.gpus != gpus * replicas:
        return _late(f"{node.name} offers {node.gpus} of {gpus} GPUs x {replicas} (device plugin)", deadline, now)
    return Checked("ready", f"{node.name} is Ready and offers {gpus} GPUs x {replicas}")


def _late(reason: str, deadline: datetime, now: datetime) -> Checked:
    """The same fault, waited for or given up."""
    return Checked("overdue", f"{reason} by {deadline.isoformat()}") if now >= deadline else Checked("waiting", reason)
