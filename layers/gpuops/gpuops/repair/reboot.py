"""Reboot the instance of an empty node through EC2, and see that another boot of it is Ready with its GPUs."""

from datetime import datetime, timedelta

from gpuops.adapters.world import World
from gpuops.domain.errors import Unhealthy
from gpuops.domain.faults.answers import Repair, Repaired
from gpuops.domain.rotation.waiting import wait_seconds

PATIENCE = timedelta(minutes=20)
"""EC2 waits four minutes for an orderly shutdown before it pulls the plug (its user guide); a GPU host boots slowly."""


def reboot(request: Repair, now: datetime, world: World) -> Repaired:
    """Raises: Unhealthy when the node went away."""
    cluster = world.cluster(request.run.cluster)
    node = cluster.node(request.isolate.node or "")
    if node is None or node.instance != request.instance:
        raise Unhealthy(f"{request.isolate.node} went away before it was rebooted")
    before = request.repair
    if before is None:
        cluster.end_reset(node)  # of a repair that died in its reset: without its plugin the node offers no GPU
        world.instances.reboot(request.instance)
        reason = f"{request.instance} is rebooted"
        return Repaired(status="repairing", reason=reason, since=now, mark=node.boot_id, wait_seconds=60)
    since = before.since or now
    lack = "is not back yet" if node.boot_id == before.mark else "" if node.ready else f"is not Ready: {node.readiness}"
    lack = lack or ("" if node.gpus + node.shared_gpus else "offers no GPU yet")
    if not lack:
        return Repaired(status="repaired", reason=f"{node.name} is back and offers its GPUs")
    if now >= since + PATIENCE:
        return Repaired(status="failed", reason=f"{node.name} {lack} {PATIENCE} after its reboot")
    pause = wait_seconds(since, now, since + PATIENCE)
    return before.model_copy(update={"reason": f"{node.name} {lack}", "wait_seconds": pause})
