"""Smoke Jobs that are left where a change of a group ends, or of one node."""

from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.keys import CONFIG_BEFORE, label_of
from gpuops.domain.run import Run

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


def take_config_back(run: Run, node: Node, world: World, cluster: "Cluster") -> None:
    """Have the node share its GPUs as before the run's change; without a change, nothing happens.

    An execution that was stopped from outside leaves its smoke behind: under that nothing is changed.
    Raises: Unavailable until it is gone.
    """
    if CONFIG_BEFORE in node.annotations:
        world.jobs(cluster).clear(node.name, run.id)
        cluster.restore_config(node)
