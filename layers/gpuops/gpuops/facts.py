"""Collects what is known of an AMI and of the group that is to run it: from names, tables, EC2, EKS and pods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpuops.adapters.world import World
from gpuops.domain.drivers.catalogue import driver_catalogue
from gpuops.domain.drivers.cuda import cuda_table
from gpuops.domain.drivers.releases import read_release
from gpuops.domain.drivers.workloads import Use
from gpuops.domain.keys import CUDA, DRIVER
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.fact_gates import first_refusal
from gpuops.domain.rotation.facts import Facts, Named, driver_of
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import templates_of, types_of
from gpuops.domain.rotation.load import loads_of
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.target import Target
from gpuops.images_read import read_needs


@dataclass(frozen=True)
class Carried:
    """What the group's nodes carry, and what those that run the target already tell of it."""

    loads: Sequence[NodeLoad] = ()
    uses: Sequence[Use] = ()
    observed: tuple[str, str] | None = None


def carried_by(group: Group, target: Target, cluster: str, world: World) -> Carried:
    """Look at the nodes; the cluster is only asked when one of them must go."""
    old = [instance for instance in group.staying if instance.ami != target.ami]
    if not old:
        return Carried()
    connection = world.cluster(cluster)
    nodes = {node.instance: node for node in connection.nodes() if node.instance}
    names = {instance: node.name for instance, node in nodes.items()}
    loads = loads_of(old, names, connection.pods_by_node())
    uses = world.workloads(connection).on([nodes[i.id].name for i in old if i.id in nodes])
    new = [nodes[i.id] for i in group.staying if i.ami == target.ami and i.id in nodes]
    told = ((node.annotations.get(DRIVER), node.annotations.get(CUDA)) for node in new)
    return Carried(loads, uses, next(((driver, cuda) for driver, cuda in told if driver and cuda), None))


def refusal_by_nodes(policy: GroupPolicy, target: Target, world: World) -> str | None:
    """Return why the target is refused by what its first nodes tell of it, or None; they may tell nothing.

    Raises: as `look`, and as whatever describes the group.
    """
    group = world.groups.describe(policy.group)
    carried = carried_by(group, target, policy.cluster, world)
    if carried.observed is None:
        return None
    types = types_of(group.launch, [world.templates.read(template).data for template in templates_of(group.launch)])
    closed = first_refusal(look(policy, target, types, carried, world, remember=False), policy)
    return closed.reason if closed else None


def look(
    policy: GroupPolicy, target: Target, types: Iterable[str], carried: Carried, world: World, *, remember: bool
) -> Facts:
    """Return the facts; `types` are those that the group may launch.

    Images are read only where there is a driver to judge; `remember` notes what they require.
    Raises: Invalid for a type that EC2 does not know; Unavailable, Refused.
    """
    image = world.images.describe([target.ami]).get(target.ami)
    names = (target.release, image.name) if image else (target.release,)
    driver = driver_of(Named(target.ami, names, carried.observed), policy, driver_catalogue(), cuda_table())
    judged = carried.uses if driver.version else ()
    needs, unread = read_needs(judged, policy.ami.architecture, world, remember=remember)
    return Facts(
        ami=f"{target.release} ({target.ami})",
        release=read_release(*names),
        kubernetes=world.images.kubernetes(policy.cluster),
        driver=driver,
        architecture=policy.ami.architecture,
        types=world.types.describe(types),
        needs=needs,
        unread=unread,
    )
