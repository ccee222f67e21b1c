"""Decide whether and how a group rolls to an AMI; the state machine asks again after the roll, to verify it.

In:  {"event": {"cluster": "gpu", "group": "gpu-a", "ami"?: "ami-..."} or our own event's envelope,
      "execution": {"id", "name", "machine"}, "now": "...", "run"?: {...}, "plan"?: {...}}
Out: {"status": "roll" | "current" | "planned" | "hold" | "reject", "reason", "run", "target": {"ami", "release"},
      "nodes": [{"instance", "decrement", "reason"}], "surge", "changes": ["..."]}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import GroupPolicy, Pinned, Policy
from gpuops.domain.rotation.gates import Situation, Target
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import override_amis, templates_of
from gpuops.domain.rotation.load import load_of
from gpuops.domain.rotation.messages import Order, RotationPlan
from gpuops.domain.rotation.order import NodeLoad
from gpuops.domain.rotation.plan import Decision, decide_rotation
from gpuops.domain.run import Execution, Run
from gpuops.domain.userdata import with_startup_taint
from gpuops.entry import entry


class PlanRotation(BaseModel):
    """The event as it came; `run` and `plan` only when the answer to the first call is verified."""

    event: Order
    execution: Execution
    run: Run | None = None
    plan: RotationPlan | None = None


@entry(PlanRotation)
def handler(request: PlanRotation, now: datetime) -> RotationPlan:
    """Plan; nothing is touched but the memory of when a held release was first seen."""
    return plan(request, now, World())


def plan(request: PlanRotation, now: datetime, world: World) -> RotationPlan:
    """Look at everything, decide once. Raises: Invalid for an order that cannot be acted on."""
    policy = world.policies.at(request.run.policy) if request.run else world.policies.latest()
    of_group = policy.group(request.event.group)
    if of_group.cluster != request.event.cluster:
        raise Invalid(f"group {of_group.group} is in cluster {of_group.cluster}, not in {request.event.cluster}")
    run = request.run or _new_run(request, of_group, policy)
    target = request.plan.target if request.plan else _target(request.event, of_group, world)
    if refusal := _refusal(request.event, of_group):
        return RotationPlan(status="reject", reason=refusal, run=run, target=target)
    decision = _decide(run, of_group, target, now, world)
    return RotationPlan(run=run, target=target, **decision.model_dump())


def _new_run(request: PlanRotation, policy: GroupPolicy, whole: Policy) -> Run:
    """The identity that everything after this carries."""
    execution = request.execution
    return Run(
        id=execution.name,
        execution=execution.id,
        machine=execution.machine,
        cluster=policy.cluster,
        group=policy.group,
        policy=whole.version,
        mode=policy.mode,
    )


def _target(event: Order, policy: GroupPolicy, world: World) -> Target:
    """The AMI that the event names, or else the policy's."""
    if event.ami is None or isinstance(policy.ami, Pinned):
        return world.images.target(policy)
    name = world.images.check(event.ami, policy.ami.architecture)
    return Target(ami=event.ami, release=event.release or name or event.ami)


def _refusal(event: Order, policy: GroupPolicy) -> str | None:
    """Why the policy forbids what the event asks for; the pin is the operator's last word."""
    pinned = policy.ami.id if isinstance(policy.ami, Pinned) else None
    if pinned and event.ami not in {None, pinned}:
        return f"the policy pins {policy.group} to {pinned}; the event asks for {event.ami}"
    return None


def _decide(run: Run, policy: GroupPolicy, target: Target, now: datetime, world: World) -> Decision:
    """Collect what the decision looks at."""
    group = world.groups.describe(run.group)
    versions = [world.templates.read(template) for template in templates_of(group.launch)]
    images = {version.ami for version in versions if version.ami} | set(override_amis(group.launch))
    undo = world.store.undo(run.group)
    held = policy.hold_days > 0
    situation = Situation(
        group=group,
        policy=policy,
        target=target,
        template_amis=frozenset(images),
        loads=_loads(group, target, run.cluster, world),
        adds_startup_taint=any(with_startup_taint(version.user_data) != version.user_data for version in versions),
        seen=world.store.see_release(run.group, target, now).seen if held else now,
        unrestored=undo.run.id if undo and undo.run.id != run.id else None,
    )
    return decide_rotation(situation, now)


def _loads(group: Group, target: Target, cluster: str, world: World) -> list[NodeLoad]:
    """What each node that must go carries; the cluster is only asked when there is such a node."""
    old = [instance for instance in group.staying if instance.ami != target.ami]
    if not old:
        return []
    connection = world.cluster(cluster)
    names = {node.instance: node.name for node in connection.nodes() if node.instance}
    return [load_of(i, connection.pods_on(names[i.id]) if i.id in names else ()) for i in old]
