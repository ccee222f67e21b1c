"""Give one node another configuration of the device plugin: take its group, cordon, look again, label.

The cordon comes before the second look, so that what is seen then stays so until the configuration holds.

In:  {"run": {...}, "node", "instance", "key", "now": "..."}
Out: {"status": "configured" | "waiting", "reason", "config", "replicas", "resource", "held", "deadline"}
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel

from gpuops.adapters.sights import Sights
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Refused
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.run import Run
from gpuops.domain.slicing.answers import Relabelled
from gpuops.domain.slicing.change import decide_change, is_begun, left_alone
from gpuops.domain.tenants import tenants_of
from gpuops.entry import entry
from gpuops.slots import take_slots

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster

PATIENCE = timedelta(seconds=120)
"""A plugin registers anew within seconds of its signal; a start that failed it tries again after 30 s."""


class RelabelNode(BaseModel):
    """In."""

    run: Run
    node: str
    instance: str
    key: str


@entry(RelabelNode)
def handler(request: RelabelNode, now: datetime) -> Relabelled:
    """Relabel; a second call finds the first one's label and goes on from there."""
    return relabel(request, now, World())


def relabel(request: RelabelNode, now: datetime, world: World) -> Relabelled:
    """Raises: Conflict while somebody else has the group; Refused when no node may be labelled with the key."""
    run = request.run
    world.store.take("lock", run, now)
    rotation = world.store.lock("rotation", run.group)
    if rotation is not None and not rotation.waits:
        return _waiting(request, now, f"{run.group} is being rolled by {rotation.run.id}")
    policy = world.policies.at(run.policy).cluster(run.cluster)
    if policy.config_map is None:
        raise Refused("the policy names no configurations of a device plugin")
    cluster = world.cluster(run.cluster)
    sights = Sights(world, cluster, policy)
    node = cluster.node(request.node)
    if node is None or node.instance != request.instance:
        return _waiting(request, now, f"{request.node} went away")
    begun = is_begun(node, run.id) and node.config == request.key
    why = None if begun else _change(request, node, cluster, sights, world)
    return _waiting(request, now, why) if why else _configured(request, now, cluster, sights)


def _change(request: RelabelNode, node: Node, cluster: "Cluster", sights: Sights, world: World) -> str | None:
    """Cordon, look again, label; or say why not any more."""
    run = request.run
    if why := left_alone(node, run.id):
        return f"{node.name} is left alone: {why}"
    if why := take_slots(run, [node.instance], world.policies.at(run.policy), world):
        return why
    goal = sights.goal(request.key)
    cluster.cordon(node, run.id)
    change = decide_change(sights.of(node, cluster.pods_on(node.name), goal.shape), goal, run.id)
    if change.status != "change":
        return change.reason
    cluster.change_config(node, goal.key)
    return None


def _configured(request: RelabelNode, now: datetime, cluster: "Cluster", sights: Sights) -> Relabelled:
    shape = sights.goal(request.key).shape
    return Relabelled(
        status="configured",
        reason=f"{request.node}: {PLUGIN_CONFIG_LABEL}={request.key}, {shape.replicas} {shape.resource} for each GPU",
        config=request.key,
        replicas=shape.replicas,
        resource=shape.resource,
        held=sum(pod.gpus for pod in tenants_of(cluster.pods_on(request.node))),
        deadline=now + PATIENCE,
    )


def _waiting(request: RelabelNode, now: datetime, why: str) -> Relabelled:
    return Relabelled(status="waiting", reason=why, config=request.key, deadline=now)
