"""Emptying a node whose kubelet is dead: its instance is stopped, then Kubernetes takes its pods and volumes away."""

from datetime import datetime

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.faults.fence import Fence, decide_fence
from gpuops.domain.keys import OUT_OF_SERVICE
from gpuops.domain.rotation.drain import must_go


def empty_dead(node: Node, instance: str, silent: datetime, now: datetime, *, cluster: Cluster, world: World) -> Fence:
    """Take the next step; `leave` means that nothing is left to be done but to terminate the instance.

    Repeating does no harm. Raises: Unavailable, Conflict.
    """
    fence = decide_fence(world.instances.state_of(instance), silent, now, off=OUT_OF_SERVICE in node.taints)
    if fence.act in {"stop", "force"}:
        return _stop(instance, fence, world)
    if fence.act != "release":
        return fence
    cluster.add_taint(node.name, OUT_OF_SERVICE)
    left = [pod.title for pod in cluster.pods_on(node.name) if must_go(pod)] or cluster.volumes_on(node.name)
    if not left:
        return Fence("leave", f"{fence.reason}, and its pods and volumes are free to move")
    if fence.overdue:
        return Fence("leave", f"{fence.reason}; {left[0]} has not gone, and goes with its Node")
    return Fence("wait", f"{fence.reason}; {left[0]} is still there", fence.wait_seconds)


def _stop(instance: str, fence: Fence, world: World) -> Fence:
    """One-time Spot requests and volatile root volumes cannot be stopped: their fence is their end."""
    try:
        world.instances.stop(instance, force=fence.act == "force")
    except (Invalid, Refused) as error:
        return Fence("leave", f"it cannot be stopped, and is terminated as it is: {error}")
    return fence
