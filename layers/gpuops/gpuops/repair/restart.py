"""Restart the one pod that is certainly meant: through the Eviction API, so that its disruption budget is honoured."""

from gpuops.adapters.world import World
from gpuops.domain.faults.answers import Repair, Repaired


def restart(request: Repair, world: World) -> Repaired:
    """Evict it unless it is gone or going; what takes its place is its controller's business."""
    target = request.diagnose.pod if request.diagnose else None
    cluster = world.cluster(request.run.cluster)
    pods = cluster.pods_on(request.isolate.node or "")
    pod = next((pod for pod in pods if target and pod.uid == target.uid), None)
    if pod is None or pod.deleting or pod.finished:
        return Repaired(status="recorded", reason="the pod does not run any more: nothing else is touched")
    refused = cluster.evict_all([pod])[pod]
    if refused is not None:
        return Repaired(status="recorded", reason=f"{pod.title} is not restarted: {refused}")
    return Repaired(status="restarted", reason=f"{pod.title} is evicted, and no other pod")
