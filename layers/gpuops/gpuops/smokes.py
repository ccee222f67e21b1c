"""Smoke Jobs that are left where a change of a group ends, or of one node."""

from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Unavailable
from gpuops.domain.keys import CONFIG_BEFORE, label_of
from gpuops.domain.run import Run
from gpuops.slots import give_slot_back

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

    An execution that was stopped from outside leaves its smoke behind: under that nothing is changed. On a node that
    is silent nothing computes any more, and nobody would end its pods.
    Raises: Unavailable until it is gone.
    """
    if CONFIG_BEFORE in node.annotations:
        if not node.silent:
            world.jobs(cluster).clear(node.name, run.id)
        cluster.restore_config(node)


def take_nodes_back(run: Run, world: World, cluster: "Cluster") -> tuple[str, ...]:
    """Have each node that the run has closed share its GPUs as before, open it, and give its slot back.

    Raises: Unavailable in the end, where one cannot be changed yet; the others are open then.
    """
    opened, stuck = [], []
    for node in (each for each in cluster.nodes() if each.cordoned_by == run.id):
        try:
            take_config_back(run, node, world, cluster)
        except Unavailable as fault:
            stuck.append(str(fault))
            continue
        cluster.uncordon(node)
        give_slot_back(run, node.instance or "", world)
        opened.append(f"uncordoned {node.name}")
    if stuck:
        raise Unavailable("; ".join(stuck))
    return tuple(opened)
