"""Find the node of a launched instance; ask Auto Scaling for patience meanwhile.

An instance that the policy does not let us judge (mode observe, group not named, policy unreadable) is nobody else's to
let in: its launch hook is ours. So it is handed on to be released, before anything that could fail is asked about it.

In:  {"event": <launch event>, "execution": {"id", "name", "machine"}, "run"?, "find"?: <previous answer>, "now"}
Out: {"status": "found" | "waiting" | "ignored" | "gone" | "overdue" | "unchecked" | "unreadable", "reason",
      "run", "instance", "node", "hook", "deadline"}
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.policies import Policies
from gpuops.domain.admission.answers import Found
from gpuops.domain.admission.event import Ignored, Launch, read_event
from gpuops.domain.admission.node import ALIVE, PENDING, decide_find
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.policy import Admission, GroupPolicy, Policy
from gpuops.domain.run import Run
from gpuops.entry import entry


class Execution(BaseModel):
    """The root execution, as its context object names it."""

    id: str
    name: str
    machine: str = "admit_node"


class Request(BaseModel):
    """In."""

    event: Any
    execution: Execution
    run: Run | None = None
    find: Found | None = None


Connect = Callable[[str], Cluster]


def find(request: Request, now: datetime, policy: Policy, instances: Instances, connect: Connect) -> Found:
    """Decide whose event this is, then look for the node."""
    launch = read_event(request.event)
    if isinstance(launch, Ignored):
        return Found(status="ignored", reason=launch.reason)
    group = next((group for group in policy.groups if group.group == launch.group), None)
    if group is None or group.mode != "apply":
        return hand_on(launch, instances, unchecked(launch, request.execution, group, policy, now))
    run = run_of(request.execution, group, policy.version)
    patience = timedelta(minutes=group.admission.deadline_minutes)
    deadline = (request.find and request.find.deadline) or now + patience
    return look(launch, run, instances, connect, deadline=deadline, now=now)


def unchecked(launch: Launch, execution: Execution, group: GroupPolicy | None, policy: Policy, now: datetime) -> Found:
    """Hand the instance on unjudged; the node of a group that is not named is in the cluster of the others, if any."""
    why = f"not checked: mode {group.mode}" if group else f"not checked: group {launch.group} is not in the policy"
    clusters = {other.cluster for other in policy.groups}
    if group is None and len(clusters) == 1:
        group = GroupPolicy(cluster=clusters.pop(), group=launch.group)
    run = run_of(execution, group, policy.version) if group else None
    deadline = now + timedelta(minutes=(group.admission if group else Admission()).deadline_minutes)
    return Found(status="unchecked", reason=why, run=run, deadline=deadline)


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
    hook = launch.hook or (instances.launch_hook(launch.group) if lifecycle in PENDING else None)
    return found.model_copy(update={"instance": launch.instance, "hook": hook})


def look(
    launch: Launch, run: Run, instances: Instances, connect: Connect, *, deadline: datetime, now: datetime
) -> Found:
    """Look for the instance's node, and keep its hook waiting while there is something to wait for."""
    lifecycle, node = instances.lifecycle(launch.instance), None
    if lifecycle in ALIVE:
        node = connect(run.cluster).node_of(launch.instance, hint=instances.private_dns(launch.instance))
    decision = decide_find(launch.instance, lifecycle, node, deadline, now)
    hook = launch.hook or (instances.launch_hook(launch.group) if lifecycle in PENDING else None)
    if hook is not None and decision.status in {"found", "waiting"}:
        instances.heartbeat(hook, launch.instance)
    return Found(
        status=decision.status,
        reason=decision.reason,
        run=run,
        instance=launch.instance,
        node=node.name if node else None,
        hook=hook,
        deadline=deadline,
    )


def run_of(execution: Execution, group: GroupPolicy, version: str) -> Run:
    """The run that every later step carries."""
    return Run(
        id=execution.name,
        execution=execution.id,
        machine=execution.machine,
        cluster=group.cluster,
        group=group.group,
        policy=version,
        mode=group.mode,
    )


@entry(Request)
def handler(request: Request, now: datetime) -> Found:
    """The policy is read at its newest once, and at that version ever after."""
    policies, instances = Policies.from_env(), Instances.from_env()
    try:
        policy = policies.at(request.run.policy) if request.run else policies.latest()
    except (Invalid, Refused) as fault:
        return unreadable(request, fault, instances)
    return find(request, now, policy, instances, Cluster.connect)
