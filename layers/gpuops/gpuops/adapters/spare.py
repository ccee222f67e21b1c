"""Takes out the nodes that a change added and nobody needs: when it closes, and before it goes back."""

from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.rotation.change import GroupUpdate, Undo
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.group import Instance
from gpuops.domain.rotation.shrink import NodeState, may_swap, owed_nodes, plan_shrink
from gpuops.domain.run import Run

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


def take_out_spare(
    undo: Undo, world: World, cluster: "Cluster", *, closing: bool = False
) -> tuple[tuple[str, ...], int]:
    """Take out the nodes of the surge that no retired node gave back; return what was done, and how many stay.

    Where the change ends (`closing`) and its own nodes carry workload, an idle one of the group goes in their place: a
    drain that was broken off has emptied one, and pods seldom come back by themselves.
    Idempotent: what is gone is owed no longer. Raises: what the adapters raise.
    """
    group = world.groups.describe(undo.run.group)
    if not owed_nodes(group, undo):
        return (), 0
    nodes = {node.instance: node for node in cluster.nodes() if node.instance}
    states = {i.id: _state(nodes.get(i.id), cluster) for i in group.staying if undo.is_ours(i)}
    if closing and may_swap(group, undo):
        states |= {i.id: "idle" for i in group.staying if i.id not in states and _is_idle(i, nodes.get(i.id), cluster)}
    shrink = plan_shrink(group, undo, states)
    if shrink.desired is not None:
        home = group.home(undo.receiver) if undo.move else None
        less = group.desired - shrink.desired
        world.groups.update(undo.receiver, GroupUpdate(desired=(home.desired if home else group.desired) - less))
    stays, done = shrink.left, [f"desired capacity {shrink.desired}"] if shrink.desired is not None else []
    for name in shrink.terminate:
        if _empty(nodes.get(name), undo.run, cluster):
            world.store.give_back(undo.run, name)
            world.groups.terminate(name, decrement=True)
            done.append(f"terminated {name}, which nobody needed")
        else:
            stays += 1
    return tuple(done), stays


def _state(node: Node | None, cluster: "Cluster") -> NodeState:
    """Whether the node carries workload."""
    if node is None or not node.admitted:
        return "starting"
    return "busy" if _carries(node, cluster) else "idle"


def _is_idle(instance: Instance, node: Node | None, cluster: "Cluster") -> bool:
    """Whether a node that the change found serves, carries nothing, and nobody wants it kept or closed."""
    if node is None or not instance.in_service or instance.protected:
        return False
    return not (node.pending or node.unschedulable or node.keep or _carries(node, cluster))


def _carries(node: Node, cluster: "Cluster") -> bool:
    return any(must_go(pod) for pod in cluster.pods_on(node.name))


def _empty(node: Node | None, run: Run, cluster: "Cluster") -> bool:
    """Close the door, then look once more: a pod may have landed since the first look."""
    if node is None or node.pending:
        return True
    cluster.cordon(node, run.id)
    if not _carries(node, cluster):
        return True
    cluster.uncordon(node)
    return False
