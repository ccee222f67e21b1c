"""How a change of a managed node group is opened and put back: `open_change` and `close_change` do it here.

EKS itself changes its Auto Scaling group, so nothing of that is touched or written down: the originals are the node
group's update strategy, and the group's being ours for a while.
"""

from collections.abc import Callable

from gpuops.adapters.aws import client_token
from gpuops.adapters.versions import create_version
from gpuops.adapters.world import World
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.nodegroup import UPDATING, Managed, ManagedPlan


def managed_originals(plan: ManagedPlan, cluster: str, world: World) -> Managed:
    """Return what is to be written down of the node group. Raises: Invalid, Unavailable, Refused."""
    found = world.nodegroups.describe(cluster, plan.nodegroup)
    return Managed(nodegroup=found.name, strategy=found.strategy, release=found.release)


def open_managed(undo: Undo, plan: ManagedPlan, group: Group, fence: int, world: World) -> Change:
    """Set the update strategy, and make the launch template version of an image that is the user's own.

    Raises: Conflict when EKS is at work on the node group; Invalid, Unavailable, Refused.
    """
    run = undo.run
    world.store.check_fence(run, fence)
    found = world.nodegroups.describe(run.cluster, plan.nodegroup)
    if plan.strategy and plan.strategy != found.strategy:
        token = client_token(run.id, run.group, "strategy")
        world.nodegroups.set_strategy(run.cluster, found.name, plan.strategy, token)
    template = templates_of(group.launch)[0]
    reason = f"EKS updates node group {found.name} to {undo.target.release}"
    if found.custom and found.template:
        own = found.template
        template = create_version(own, undo, world, own.id, own.version)
        reason += f", by launch template {template.id} version {template.version}"
    return Change(reason=reason, fence=fence, template=template, surge=0)


def close_managed(
    undo: Undo, managed: Managed, world: World, marks: Callable[[], tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what was put back and what is left; `marks` takes back what the run wrote on nodes.

    While EKS is at work nothing can be put back, and the originals stay written down: reconcile looks again.
    """
    restored = marks()
    found = world.nodegroups.describe(undo.run.cluster, managed.nodegroup)
    if found.status == UPDATING:
        return restored, (f"EKS still updates node group {found.name}, which nothing can stop: reconcile looks again",)
    if found.strategy != managed.strategy:
        token = client_token(undo.run.id, undo.run.group, "strategy back")
        world.nodegroups.set_strategy(undo.run.cluster, found.name, managed.strategy, token)
        restored += (f"updateStrategy {managed.strategy}",)
    world.store.delete_undo(undo.run)
    return restored, _sizes(undo, world)


def _sizes(undo: Undo, world: World) -> tuple[str, ...]:
    """What a failed update of EKS's left of its own surge; whose nodes those are, only a person can say."""
    group = world.groups.describe(undo.run.group)
    if (group.desired, group.max) == (undo.desired, undo.max):
        return ()
    before = f"desired {undo.desired}, maximum {undo.max}"
    return (f"sizes: desired {group.desired}, maximum {group.max} (before EKS's update: {before})",)
