"""What a decision about a rotation looks at, collected in one place for whoever asks: `plan_rotation`, `gpuops plan`.

Both must see the same, or a plan on the screen would not be the plan that runs. Nothing is written here: what is to be
remembered of the release, and how, is the business of whoever asks.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.breaker import SHARING_LIMIT, holds
from gpuops.domain.policy import GroupPolicy, Pinned, Policy
from gpuops.domain.rotation.bake import judge_alarms
from gpuops.domain.rotation.capacity import why_scarce
from gpuops.domain.rotation.cost import Surge, estimate_surge, prices
from gpuops.domain.rotation.facts import NO_FACTS
from gpuops.domain.rotation.group import Group, TemplateVersion
from gpuops.domain.rotation.launch import override_amis, templates_of, types_of
from gpuops.domain.rotation.messages import Order
from gpuops.domain.rotation.plan import Decision, decide_rotation
from gpuops.domain.rotation.release import SeenRelease
from gpuops.domain.rotation.root import look_at_swap
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.standing import Against, against
from gpuops.domain.rotation.strategy import GROWING, IN_PLACE, RECENT, Room, Swap
from gpuops.domain.rotation.target import Target
from gpuops.domain.userdata import parse_user_data, with_startup_taint
from gpuops.facts import carried_by, look
from gpuops.moving import nodegroups_of
from gpuops.slots import no_slot


def policy_of(order: Order, policy: Policy) -> GroupPolicy:
    """Return what the policy says of the group. Raises: Invalid where it does not name it, or in another cluster."""
    found = policy.group(order.group)
    if found.cluster != order.cluster:
        raise Invalid(f"group {found.group} is in cluster {found.cluster}, not in {order.cluster}")
    return found


def target_of(order: Order, policy: GroupPolicy, world: World) -> Target:
    """Return the AMI that the order names, or else the policy's. Raises: Invalid, Unavailable, Refused."""
    if order.ami is None or isinstance(policy.ami, Pinned):
        return world.images.target(policy)
    asked = Target(ami=order.ami, release=order.release or order.ami)
    image = world.images.check(asked, policy.ami)
    return asked if order.release else Target(ami=order.ami, release=image.name or order.ami)


def decide(
    order: Order,
    fleet: Policy,
    release: SeenRelease,
    now: datetime,
    world: World,
    *,
    run: str | None = None,
    begun: bool = False,
) -> Decision:
    """Look at everything, decide once. `run` is the run whose own change of the group is no obstacle to it.

    One that has `begun` waits out a global stop by itself, so it is planned as if there were none. What images were
    found to require is noted for a run alone.

    Raises: Invalid for what cannot be rolled as it is; Unavailable, Refused, Conflict from the adapters.
    """
    if refusal := _refusal(order, fleet.group(order.group)):
        return Decision(status="reject", reason=refusal)
    situation = collect(order.group, fleet, release, now, world, run=run)
    if not begun:
        situation = replace(situation, stop=world.wishes.stop())
    if situation.loads and situation.policy.canary.watches_alarms:
        situation = replace(situation, ringing=judge_alarms(world.alarms.look(situation.policy.canary, now)))
    if situation.policy.strategy == "auto" and situation.loads:
        situation = replace(situation, room=room_of(situation.group, now, world))
    policy = situation.policy
    if situation.loads and (policy.strategy in {"auto", IN_PLACE} or policy.on_no_capacity == "next"):
        situation = replace(situation, swap=swap_of(situation, world))
    if order.insists:
        situation = replace(situation, condemned=None, older=_older(situation, world))
    return decide_rotation(situation, now)


def _older(situation: Situation, world: World) -> str | None:
    """Why the target goes backwards, unless a person goes back from a release that proved to be bad."""
    running = situation.template_amis if situation.older else ()
    verdicts = [world.releases.condemned(situation.policy.group, ami) for ami in running]
    return None if any(verdicts) else situation.older


def room_of(group: Group, now: datetime, world: World) -> Room:
    """Return what is known of whether the group could grow. Raises: Unavailable; Invalid where its template is gone."""
    data = world.templates.read(templates_of(group.launch)[0]).data
    kind, rooms = data.get("InstanceType"), world.rooms
    return Room(
        reservation=rooms.reservation(data),
        addresses=rooms.addresses(group.subnets),
        quota_vcpus=rooms.quota(kind) if kind and not data.get("InstanceMarketOptions") else None,
        vcpus=rooms.vcpus(kind) if kind else None,
        scarce=why_scarce(world.groups.last_failure(group.name, now - RECENT)),
    )


def swap_of(situation: Situation, world: World) -> Swap:
    """Return whether the group's root volumes could be replaced. Raises: Unavailable, Refused, Invalid."""
    group, policy, target = situation.group, situation.policy, situation.target.ami
    versions = [world.templates.read(template) for template in templates_of(group.launch)]
    images = world.images.describe([target, *(version.ami for version in versions if version.ami)])
    types = types_of(group.launch, [version.data for version in versions])
    return look_at_swap(policy.ami.family, types, versions, images, target)


def collect(
    name: str, fleet: Policy, release: SeenRelease, now: datetime, world: World, *, run: str | None = None
) -> Situation:
    """Return what the gates and the order look at, but for the global stop. Raises: as `decide`."""
    policy = fleet.group(name)
    group, target = world.groups.describe(policy.group), release.target
    versions = _templates(group, policy, world)
    images = {version.ami for version in versions if version.ami} | set(override_amis(group.launch))
    carried = carried_by(group, target, policy.cluster, world)
    current = not carried.loads and images == {target.ami}
    types = types_of(group.launch, [version.data for version in versions])
    return Situation(
        group=group,
        policy=policy,
        target=target,
        template_amis=frozenset(images),
        loads=carried.loads,
        facts=NO_FACTS if current else look(policy, target, types, carried, world, remember=run is not None),
        adds_startup_taint=not group.managed and any(_lacks_startup_taint(version) for version in versions),
        seen=release.seen,
        full=no_slot(fleet, world),
        **vars(_against(release, group, images, now, world)),
        **_remembered(policy, target, world, run),
        **nodegroups_of(group, policy, target, current=current, begun=images == {target.ami}, world=world),
    )


def _remembered(policy: GroupPolicy, target: Target, world: World, run: str | None) -> dict[str, Any]:
    """What the table, and EKS, know of the group itself."""
    undo, condemned = world.store.undo(policy.group), world.releases.condemned(policy.group, target.ami)
    return {
        "condemned": condemned.reason if condemned else None,
        "unrestored": undo.run.id if undo and undo.run.id != run else None,
        "broken": _broken(policy.group, world),
    }


def _against(release: SeenRelease, group: Group, images: set[str], now: datetime, world: World) -> Against:
    """What speaks against it, by what EC2 knows of the images, and by what is remembered of those that EC2 forgot."""
    running = images | {instance.ami for instance in group.staying if instance.ami}
    known, _ = world.releases.of(group.name)
    names = {one.target.ami: one.target.release for one in known}
    shown = world.images.describe({*running, release.target.ami})
    return against(release, {ami: names.get(ami, "") for ami in running}, shown, now)


def surge_of(plan: Decision, world: World) -> Surge:
    """What the surge would cost: the canaries', then the others'; every node is taken to be of the first one's type."""
    if not plan.nodes:
        return Surge(0, None, "no node is replaced")
    kind, gpus = world.instances.type_of(plan.nodes[0].instance)
    canaries = sum(node.canary for node in plan.nodes)
    phases = ((canaries, canaries), (len(plan.nodes) - canaries, plan.surge)) if plan.strategy in GROWING else ()
    return estimate_surge(phases, gpus, kind, prices())


def _templates(group: Group, policy: GroupPolicy, world: World) -> list[TemplateVersion]:
    """What the group launches from. Raises: Invalid for user data of another family: its nodes would never join."""
    versions = [world.templates.read(template) for template in templates_of(group.launch)]
    for version in versions if not group.managed else ():
        family = parse_user_data(version.user_data).family
        if family != policy.ami.family:
            what = f"launch template {version.template.id} version {version.template.version}"
            raise Invalid(f"{what} has user data of {family}; the policy says {policy.ami.family}")
    return versions


def _broken(group: str, world: World) -> str | None:
    """Why new nodes of the group would fail like the last ones, or None."""
    if broken := holds(world.memory.breaker("sharing", group), SHARING_LIMIT):
        return f"sharing: {broken}; `gpuops breaker close {group} --kind sharing` once it is mended"
    launch = world.memory.breaker("launch", group)
    if launch is None or not launch.suspended:
        return None
    return f"launches: {launch.failures} failures in a row, the last one: {launch.why}; Launch is suspended"


def _lacks_startup_taint(version: TemplateVersion) -> bool:
    """Whether the roll would add it; what EKS made for a node group of its own is not ours to read."""
    return with_startup_taint(version.user_data) != version.user_data


def _refusal(order: Order, policy: GroupPolicy) -> str | None:
    """Why the policy forbids what the order asks for; the pin is the operator's last word."""
    pinned = policy.ami.id if isinstance(policy.ami, Pinned) else None
    if pinned and order.ami not in {None, pinned}:
        return f"the policy pins {policy.group} to {pinned}; the event asks for {order.ami}"
    return None
