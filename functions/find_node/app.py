"""Find the node of a launched instance; ask Auto Scaling for patience meanwhile.

In:  {"event": <launch event>, "execution": {"id", "name", "machine"}, "run"?, "find"?: <previous answer>, "now"}
Out: {"status": "found" | "waiting" | "ignored" | "gone" | "overdue", "reason",
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
from gpuops.domain.policy import GroupPolicy, Policy
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
    if group is None:
        return Found(status="ignored", reason=f"group {launch.group} is not in the policy (version {policy.version})")
    if group.mode != "apply":
        return Found(status="ignored", reason=f"mode {group.mode}: {launch.instance} would be admitted")
    run = run_of(request.execution, group, policy.version)
    patience = timedelta(minutes=group.admission.deadline_minutes)
    deadline = (request.find and request.find.deadline) or now + patience
    return look(launch, run, instances, connect, deadline=deadline, now=now)


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
    policies = Policies.from_env()
    policy = policies.at(request.run.policy) if request.run else policies.latest()
    return find(request, now, policy, Instances.from_env(), Cluster.connect)
