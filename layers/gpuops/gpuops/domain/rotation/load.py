"""What a node carries that a drain would have to move or wait for."""

from collections.abc import Iterable

from gpuops.domain.cluster import Pod
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.group import Instance
from gpuops.domain.rotation.order import NodeLoad


def load_of(instance: Instance, pods: Iterable[Pod]) -> NodeLoad:
    """Return what the instance carries; an instance whose node never registered carries nothing."""
    busy = [pod for pod in pods if must_go(pod)]
    jobs = [pod for pod in busy if pod.completes]
    since = max((pod.started for pod in jobs), default="")
    return NodeLoad(instance=instance.id, zone=instance.zone, pods=len(busy), jobs=len(jobs), jobs_since=since)
