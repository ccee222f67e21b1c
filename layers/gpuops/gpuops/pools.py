"""What a cluster says about its pools of GPUs at one look: nodes through their exporters, pods through their owners."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node, read_node
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.slicing.change import out_of_reach
from gpuops.domain.slicing.gather import falls_of, looks_of, node_of
from gpuops.domain.slicing.owners import Census, census_of
from gpuops.domain.slicing.pool import Pool, PoolNode, shares_of
from gpuops.domain.slicing.profile import Profile, learn
from gpuops.gauges import Gauges

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


@dataclass(frozen=True)
class Here:
    """One cluster at one look, read once for all of its pools."""

    world: World
    policy: Policy
    cluster: "Cluster"
    nodes: Mapping[str, Node]
    """By instance."""
    census: Census
    gauges: Gauges


def look_around(name: str, policy: Policy, world: World) -> Here:
    """Read nodes and pods. Raises: Unavailable, Refused, Invalid."""
    cluster = world.cluster(name)
    nodes = {node.instance: node for node in map(read_node, cluster.kube.get_all("/api/v1/nodes")) if node.instance}
    gauges = Gauges(world, cluster, policy.cluster(name), [node.name for node in nodes.values()])
    return Here(world, policy, cluster, nodes, census_of(cluster.kube.get_all("/api/v1/pods")), gauges)


def measure_pool(group: GroupPolicy, here: Here, now: datetime) -> list[PoolNode]:
    """Every node of the group; whatever keeps one from being judged stands in its place.

    Raises: Unavailable, Refused, Invalid where the group or the exporters' pods cannot be listed.
    """
    ids = (instance.id for instance in here.world.groups.describe(group.group).staying)
    nodes = [here.nodes[each] for each in ids if each in here.nodes]
    return list(_read(nodes, here.gauges.of([node.name for node in nodes], now), group, here))


def _read(nodes: list[Node], readings: Mapping[str, Readings], group: GroupPolicy, here: Here) -> Iterator[PoolNode]:
    cluster = here.policy.cluster(group.cluster)
    for node in nodes:
        replicas, reading, apart = (
            shares_of(node.config or group.sharing, cluster),
            readings[node.name],
            _why_apart(node),
        )
        if apart or reading.silent:
            yield PoolNode(node.name, replicas, silent=reading.silent, apart=apart, marks=node.marks)
        else:
            yield replace(node_of(node.name, replicas, reading.gpus, here.census.owners), marks=node.marks)


def _why_apart(node: Node) -> str:
    """Why a node is not of the pool now."""
    if why := out_of_reach(node):
        return why
    closed = node.unschedulable or node.pending or not node.ready
    return "it is closed, or not admitted, or not Ready" if closed else ""


def why_blocked(group: str, world: World) -> str:
    """Who else changes the group; empty where nobody does."""
    lock = world.store.lock("rotation", group)
    return f"{group} is being rolled by {lock.run.id}" if lock is not None and not lock.waits else ""


def remember(pool: Pool, here: Here, now: datetime, hours: float) -> dict[str, Profile]:
    """Add this look to what is known of the pool's workloads, and return that; after so many hours one is known."""
    looks, falls = looks_of(pool), falls_of(pool, now)
    before = here.world.pools.profiles(pool.name, {**looks, **falls})
    profiles = {}
    for name, seen in learn(before, looks, falls, now, hours).items():
        profiles[name] = seen.model_copy(update={"declared_mib": here.census.declared.get(name)})
        here.world.pools.keep_profile(pool.name, profiles[name], before.get(name))
    return profiles
