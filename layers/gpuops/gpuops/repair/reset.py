"""Reset the GPUs of a node without GPU pods: whoever else holds the driver open goes first, and comes back afterwards.

The driver refuses to reset a GPU that anybody has open (nvidia-smi's manual page), and on NVSwitch systems all GPUs
must be reset together: so all of the node's are, always. DaemonSets go by label, the host's own clients are stopped and
started by the Job that resets. Whatever becomes of it, the labels are put back before the answer.
"""

from datetime import datetime, timedelta

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Unhealthy
from gpuops.domain.faults.answers import Repair, Repaired
from gpuops.domain.keys import DCGM_EXPORTER, DEVICE_PLUGIN
from gpuops.domain.rotation.waiting import SOON, wait_seconds
from gpuops.repair.mine import check_mine

LEAVING = timedelta(minutes=2)
"""How long DaemonSets' pods get to go; then the reset is tried all the same, and says who is still there."""
PATIENCE = timedelta(minutes=15)
OURS = (DEVICE_PLUGIN, DCGM_EXPORTER)


def reset(request: Repair, now: datetime, world: World) -> Repaired:
    """One look: DaemonSets off, the Job, DaemonSets back, GPUs offered. Raises: Unhealthy when the node went away."""
    cluster = world.cluster(request.run.cluster)
    node = cluster.node(request.isolate.node or "")
    if node is None or node.instance != request.instance:
        raise Unhealthy(f"{request.isolate.node} went away before its GPUs were reset")
    before = request.repair
    if before is None:
        if node.os_image.startswith("Bottlerocket"):
            return Repaired(status="failed", reason="Bottlerocket's host lets nobody stop its GPU clients")
        labels = world.policies.at(request.run.policy).cluster(request.run.cluster).reset_labels
        cluster.begin_reset(node, request.run.id, labels)
        return _waits("GPU DaemonSets leave", now, now, "off")
    since = before.since or now
    if before.mark == "back":
        return _back(node, since, now)
    return _reset(request, node, since, now, cluster=cluster, world=world)


def _reset(request: Repair, node: Node, since: datetime, now: datetime, *, cluster: Cluster, world: World) -> Repaired:
    """Start the Job once the way is free, and judge it; the same Job is found again.

    Raises: Conflict when the node is not this run's any more: who was redriven may find it open, and pods on it.
    """
    jobs = world.resets(cluster)
    state = jobs.state(request.run.id, node.name)
    if state is None:
        left = [pod.title for pod in cluster.pods_on(node.name) if pod.owner == "DaemonSet" and pod.controller in OURS]
        if left and now < since + LEAVING:
            return _waits(f"{left[0]} is still there", since, now, "off")
        check_mine(request.run, request.instance, node)
        image = world.policies.at(request.run.policy).group(request.run.group).smoke.nvidia_smi
        jobs.start(request.run.id, node.name, image)
        return _waits("nvidia-smi --gpu-reset was started", since, now, "off")
    if state.status == "running" and now < since + PATIENCE:
        return _waits("nvidia-smi --gpu-reset runs", since, now, "off")
    said = jobs.words(request.run.id, node.name)
    cluster.end_reset(node)
    jobs.delete(request.run.id, node.name)
    if state.status == "complete":
        return _waits("the GPUs were reset; the plugin comes back", since, now, "back")
    return Repaired(status="failed", reason=f"the GPUs were not reset: {said or state.reason}")


def _back(node: Node, since: datetime, now: datetime) -> Repaired:
    """The plugin offers them again, or something is still wrong with them."""
    if node.ready and node.gpus + node.shared_gpus:
        return Repaired(status="repaired", reason=f"the GPUs of {node.name} were reset and are offered again")
    if now < since + PATIENCE:
        return _waits(f"{node.name} offers no GPU yet", since, now, "back")
    return Repaired(status="failed", reason=f"{node.name} offers no GPU after the reset")


def _waits(reason: str, since: datetime, now: datetime, mark: str) -> Repaired:
    pause = wait_seconds(since, now, since + PATIENCE, soonest=SOON)
    return Repaired(status="repairing", reason=reason, since=since, mark=mark, wait_seconds=pause)
