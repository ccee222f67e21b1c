"""Smoke Jobs that are left where a change of a group ends."""

from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.keys import label_of

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


def remove_smokes(name: str, world: World, cluster: "Cluster") -> tuple[str, ...]:
    """Remove smoke Jobs of the group whose admission is over: their node is gone, on its way out, or admitted.

    A node that still waits for its admission may have a living one, so its Job stays: that ends by its own deadline,
    and Kubernetes removes it an hour later.
    """
    staying = {instance.id for instance in world.groups.describe(name).staying}
    waiting = {label_of(node.name) for node in cluster.nodes() if node.pending and node.instance in staying}
    jobs = world.jobs(cluster)
    over = [job for job, node in jobs.of_group(name).items() if node not in waiting]
    for job in over:
        jobs.delete(job)
    return tuple(f"deleted smoke Job {job}" for job in over)
