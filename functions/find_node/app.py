"""Find the node of a launched instance; ask Auto Scaling for patience meanwhile.

An instance that the policy does not let us judge (mode observe, group not named, policy unreadable) is nobody else's to
let in: its launch hook is ours. So it is handed on to be released, before anything that could fail is asked about it.

In:  {"event": <launch event>, "execution": {"id", "name", "machine"}, "run"?, "find"?: <previous answer>,
      "quarantine"?: {"status", "at"}, "now"}
Out: {"status": "found" | "waiting" | "ignored" | "gone" | "overdue" | "replacing" | "unchecked" | "unreadable",
      "reason", "run", "instance", "node", "hook", "deadline", "wait_seconds"}
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.adapters.policies import Policies
from gpuops.belonging import group_of
from gpuops.domain.admission.answers import Found, Quarantined
from gpuops.domain.admission.event import Hook, Ignored, Launch, read_event
from gpuops.domain.admission.node import ALIVE, HELD, decide_find
from gpuops.domain.admission.pace import beats, first_seconds, poll_seconds
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.policy import Admission, GroupPolicy, Policy
from gpuops.domain.run import Execution, Run
from gpuops.entry import entry


class Request(BaseModel):
    """In."""

    event: Any
    execution: Execution
    run: Run | None = None
    find: Found | None = None
    quarantine: Quarantined | None = None


Connect = Callable[[str], Cluster]


def find(
    request: Request, now: datetime, policy: Policy, instances: Instances, connect: Connect, *, memory: Memory
) -> Found:
    """Decide whose event this is, then look for the node. Who comes with many others looks after a pause of its own."""
    launch = read_event(request.event)
    if isinstance(launch, Ignored):
        return Found(status="ignored", reason=launch.reason)
    group = group_of(launch, policy, instances)
    judged, launched = group is not None and group.mode == "apply", launch.told == "launched"
    if group is None and launched:
        return Found(status="ignored", reason=f"{launch.instance}: group {launch.group} is not in the policy")
    if group is not None and request.find is None and launch.told != "asked" and (judged or launched):
        return later(
            launch, request.execution.run(group.cluster, group.group, policy.version, group.mode), group, now, memory
        )
    unasked = request.find is None or request.find.hint is None
    if launched and unasked and (hook := instances.launch_hook(launch.group)):
        return Found(status="ignored", reason=f"{launch.instance}: the group's hook {hook.name} has it admitted")
    if group is None or not judged:
        return hand_on(launch, instances, unchecked(launch, request.execution, group, policy, now))
    run = request.execution.run(group.cluster, group.group, policy.version, group.mode)
    found = look(launch, request, run, group, now, instances=instances, connect=connect)
    boots = launch.told != "asked" and not launch.replaces_root
    return found.model_copy(update={"boots": boots})


def later(launch: Launch, run: Run, group: GroupPolicy, now: datetime, memory: Memory) -> Found:
    """Ask nobody about an instance that has just begun to boot; look when nodes of its group usually are there."""
    usual = memory.boots(run.group)
    return Found(
        status="waiting",
        reason=f"{launch.instance} has just been launched",
        run=run,
        instance=launch.instance,
        hook=launch.hook,
        deadline=now + timedelta(minutes=group.admission.deadline_minutes),
        since=now,
        beat=now,
        settling=usual.settles if usual else None,
        wait_seconds=first_seconds(launch.instance, usual),
    )


def unchecked(launch: Launch, execution: Execution, group: GroupPolicy | None, policy: Policy, now: datetime) -> Found:
    """Hand the instance on unjudged; the node of a group that is not named is in the cluster of the others, if any."""
    why = f"not checked: mode {group.mode}" if group else f"not checked: group {launch.group} is not in the policy"
    clusters = {other.cluster for other in policy.groups}
    if group is None and len(clusters) == 1:
        group = GroupPolicy(cluster=clusters.pop(), group=launch.group)
    run = execution.run(group.cluster, group.group, policy.version, group.mode) if group else None
    deadline = now + timedelta(minutes=(group.admission if group else Admission()).deadline_minutes)
    return Found(status="unchecked", reason=why, run=run, deadline=deadline, since=now)


def unreadable(request: Request, fault: Exception, instances: Instances) -> Found:
    """Nobody can say what to ask of the instance. Its startup taint keeps work away; churning instances would not help.

    Once the policy is mended, `reconcile` takes up its admission.
    """
    launch = read_event(request.event)
    if isinstance(launch, Ignored):
        return Found(status="ignored", reason=launch.reason)
    return hand_on(launch, instances, Found(status="unreadable", reason=f"not checked: {fault}"))


def hand_on(launch: Launch, instances: Instances, found: Found) -> Found:
    """Add whose hook waits; an instance that went away waits for nothing."""
    lifecycle = instances.lifecycle(launch.instance)
    if lifecycle not in ALIVE:
        reason = f"{launch.instance} is {lifecycle or 'no longer in its group'}"
        return found.model_copy(update={"status": "gone", "reason": reason, "instance": launch.instance})
    hook = launch.hook or (instances.launch_hook(launch.group) if lifecycle in HELD else None)
    return found.model_copy(update={"instance": launch.instance, "hook": hook})


def look(
    launch: Launch,
    request: Request,
    run: Run,
    group: GroupPolicy,
    now: datetime,
    *,
    instances: Instances,
    connect: Connect,
) -> Found:
    """Look for the instance's node, and keep its hook waiting while there is something to wait for."""
    since, deadline = times(request, group, now)
    lifecycle, node = instances.lifecycle(launch.instance), None
    hook, hint = known(launch, request, lifecycle, instances)
    if lifecycle in ALIVE:
        node = connect(run.cluster).node_of(launch.instance, hint=hint)
    decision = decide_find(launch, lifecycle, node, deadline, now)
    patience, beat = hook.heartbeat_seconds if hook else None, request.find.beat if request.find else None
    if hook is not None and decision.status in {"found", "waiting", "replacing"} and beats(beat, now, patience):
        instances.heartbeat(hook, launch.instance)
        beat = now
    return Found(
        status=decision.status,
        reason=decision.reason,
        run=run,
        instance=launch.instance,
        node=node.name if node else None,
        hook=hook,
        deadline=deadline,
        since=since,
        beat=beat,
        settling=request.find.settling if request.find else None,
        hint=hint,
        wait_seconds=poll_seconds(launch.instance, since, now, deadline, patience),
    )


def times(request: Request, group: GroupPolicy, now: datetime) -> tuple[datetime, datetime]:
    """Since when the node is waited for, and until when; both begin anew with the restart for a new root volume."""
    patience, before, restart = timedelta(minutes=group.admission.deadline_minutes), request.find, request.quarantine
    if restart is not None and restart.status == "continued":
        return restart.at, restart.at + patience
    return (before and before.since) or now, (before and before.deadline) or now + patience


def known(launch: Launch, request: Request, lifecycle: str | None, instances: Instances) -> tuple[Hook | None, str]:
    """The hook that waits, with its timeout, and the node's probable name: each asked for once."""
    before = request.find
    if request.quarantine is not None and request.quarantine.status == "continued":
        return None, before.hint or "" if before else ""
    if before is not None and before.hint is not None:
        return before.hook, before.hint
    hint = instances.private_dns(launch.instance) if lifecycle in ALIVE else ""
    if launch.hook is not None:
        told = instances.launch_hook(launch.group, launch.hook.name)
        return launch.hook.model_copy(update={"heartbeat_seconds": told.heartbeat_seconds if told else None}), hint
    return instances.launch_hook(launch.group) if lifecycle in HELD else None, hint


@entry(Request)
def handler(request: Request, now: datetime) -> Found:
    """The policy is read at its newest once, and at that version ever after."""
    policies, instances = Policies.from_env(), Instances.from_env()
    try:
        policy = policies.at(request.run.policy) if request.run else policies.latest()
    except (Invalid, Refused) as fault:
        return unreadable(request, fault, instances)
    return find(request, now, policy, instances, Cluster.connect, memory=Memory.from_env())
