"""A managed node group that moves into a new one: how that is opened, and how node by node moves.

Both Auto Scaling groups are EKS's. Of them only what Cluster Autoscaler would change, too, is changed directly: the
desired capacity, and instances that are terminated; with the processes suspended that would work against that. All else
is asked of EKS, which takes its time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gpuops.adapters.aws import client_token
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict, Refused
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.change import GroupUpdate, Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.rotation.messages import Change, Opening
from gpuops.domain.rotation.move import Move, MovePlan, home_tags, plan_move, request_of
from gpuops.domain.rotation.nodegroup import ACTIVE, AT_WORK, BLUE_GREEN, Nodegroup, busy
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Run

PATIENCE = timedelta(minutes=30)
"""With EKS, which makes an empty node group in a minute or two."""
LOOK_SECONDS = 20


@dataclass(frozen=True)
class Clock:
    """Since when EKS is waited for."""

    since: datetime
    now: datetime


def nodegroups_of(
    group: Group, policy: GroupPolicy, target: Target, *, current: bool, begun: bool, world: World
) -> dict[str, Any]:
    """Return what a plan has to know of node groups; `begun`: the newest Auto Scaling group has the target already.

    Raises: Invalid, Unavailable, Refused.
    """
    if policy.nodegroup is None:
        return {}
    if policy.strategy != BLUE_GREEN or group.managed is None or current:
        followed = group.managed if group.managed and group.lead != policy.group else policy.nodegroup
        return {"nodegroup": world.nodegroups.describe(policy.cluster, followed)}
    half = begun and any(group.inhabited(home) for home in group.homes[:-1])
    plan = plan_move(group, policy.nodegroup, target.release, begun=half)
    namesake = None if plan.exists else world.nodegroups.find(policy.cluster, plan.nodegroup)
    return {"move": plan, "nodegroup": world.nodegroups.describe(policy.cluster, plan.old), "namesake": namesake}


def move_originals(plan: MovePlan, group: Group) -> Move:
    """Return what is to be written down of the node groups. Raises: Conflict where the old one went meanwhile."""
    old = next((home for home in group.homes if home.nodegroup == plan.old), None)
    if old is None:
        raise Conflict(f"node group {plan.old} of {group.name} is gone since it was planned")
    least, most = sum(home.min for home in group.homes), sum(home.max for home in group.homes)
    return Move(old=old, nodegroup=plan.nodegroup, version=plan.version, min=least, max=most)


def open_move(undo: Undo, move: Move, fence: int, clock: Clock, world: World) -> Change | Opening:
    """Have the new node group made, tagged before it has instances, and let it grow by the surge; or wait for EKS.

    Idempotent: one of the new name that is ours is the same one. Raises: Refused when EKS cannot make it.
    """
    run = undo.run
    world.store.check_fence(run, fence)
    found = world.nodegroups.find(run.cluster, move.nodegroup)
    if why := _waits_for(found, undo, move, world):
        if clock.now >= clock.since + PATIENCE:
            raise Refused(f"{why}, for {PATIENCE.total_seconds() / 60:.0f} minutes")
        return Opening(status="waiting", reason=why, since=clock.since, wait_seconds=LOOK_SECONDS)
    if found is None or found.status != ACTIVE or not found.groups:
        raise Refused((found and busy(found)) or f"node group {move.nodegroup} has no Auto Scaling group")
    undo = _settle(undo, move, found, world)
    group = world.groups.describe(run.group)
    if why := _not_ready(undo, group, world):
        return Opening(status="waiting", reason=why, since=clock.since, wait_seconds=LOOK_SECONDS)
    grow(undo, group, world)
    (home,) = (home for home in group.homes if home.name == undo.receiver)
    reason = f"node group {move.nodegroup} ({home.name}), {undo.surge} more instances"
    template = templates_of(home.launch)[0]
    return Change(reason=reason, fence=fence, template=template, surge=undo.surge, into=home.name)


def _waits_for(found: Nodegroup | None, undo: Undo, move: Move, world: World) -> str | None:
    """Ask EKS for the new node group, where there is none, and say what EKS is about."""
    run = undo.run
    if found is None:
        old = world.nodegroups.describe(run.cluster, move.old.nodegroup)
        asked = request_of(old, move, run.group, run.cluster, undo.target.release)
        world.nodegroups.create(asked, client_token(run.id, run.group, move.nodegroup))
        return f"EKS makes node group {move.nodegroup}"
    return f"node group {found.name} is {found.status}" if found.status in AT_WORK else None


def _settle(undo: Undo, move: Move, found: Nodegroup, world: World) -> Undo:
    """Tag the Auto Scaling group that EKS has made, and write down which that is, and what stands in it already."""
    if move.into:
        return undo
    run, name = undo.run, found.groups[0]
    world.groups.tag(name, home_tags(move, run.group, run.cluster))
    group = world.groups.describe(run.group)
    home = group.home(name)
    if home is None:
        raise Conflict(f"Auto Scaling group {name} does not show its tags yet")
    there = frozenset(instance.id for instance in group.staying if instance.home == name)
    undo = undo.model_copy(
        update={"move": move.model_copy(update={"into": name, "settled": there, "base": home.desired})}
    )
    world.store.write_undo(undo)
    return undo


def _not_ready(undo: Undo, group: Group, world: World) -> str | None:
    """Suspend what would work against us in both groups; the old one may shrink only once its minimum lets it."""
    run, move = undo.run, undo.move
    if move is None:
        return None
    for home in (group.home(move.old.name), group.home(move.into)):
        if home:
            wanted = {*undo.suspends, *move.old.suspended} - home.suspended
            world.groups.suspend(home.name, sorted(wanted))
    old = group.home(move.old.name)
    if old and old.min:
        token = client_token(run.id, run.group, "minimum 0")
        world.nodegroups.set_sizes(run.cluster, old.nodegroup, 0, old.max, token)
        return f"EKS lowers the minimum size of {old.nodegroup}"
    return None


def grow(undo: Undo, group: Group, world: World) -> None:
    """Bring the Auto Scaling group of the newcomers to the size that it needs by now; never make it smaller."""
    home, goal = group.home(undo.receiver), undo.receiver_size
    if home and home.desired < goal:
        world.groups.update(home.name, GroupUpdate(desired=goal, max=goal if home.max < goal else None))


def send_away(run: Run, instance: str, *, decrement: bool, into: str | None, world: World) -> None:
    """Terminate an instance of an open change; where another comes, in the group `into` if that is another one.

    Each step is noted before it is taken, so a repetition takes none twice. Raises: Conflict, Unavailable, Refused.
    """
    if decrement:
        world.store.give_back(run, instance)
    elif into:
        world.store.grow(run, instance)
        grow(world.store.change_of(run), world.groups.describe(run.group, lambda _: True), world)
    world.groups.terminate(instance, decrement=decrement or into is not None)
