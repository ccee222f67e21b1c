"""Wait, before EKS's update of a node group begins, until the Jobs on its old nodes have ended or their grace has.

EKS gives a pod fifteen minutes, whatever it is, and cannot be stopped: so the patience with Jobs comes first. Nodes
that have some are closed to new pods meanwhile, and what people wish of the run is heard for the last time. What EKS is
doing to the node group already, such as setting its update strategy, is waited for as well.

In:  {"run": {...}, "change": {...}, "target": {...}, "managed": {"nodegroup"}, "jobs"?: <previous answer>, "now"}
Out: {"status": "ready" | "waiting", "reason", "since", "ask": {...}, "wait_seconds": 20}
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.halting import why_halted
from gpuops.adapters.world import World
from gpuops.domain.errors import Refused
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.gates import Target
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.nodegroup import UPDATING, ManagedPlan, busy, update_request
from gpuops.domain.rotation.waiting import rest_seconds, wait_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry


class Times(BaseModel):
    """What the answer before said."""

    since: AwareDatetime


class AwaitJobs(BaseModel):
    """An open change of a managed node group."""

    run: Run
    change: Change
    target: Target
    managed: ManagedPlan
    jobs: Times | None = None


class JobsAnswer(BaseModel):
    """Whether EKS's update may begin, and what to ask of EKS."""

    status: Literal["ready", "waiting"]
    reason: str
    since: AwareDatetime
    ask: dict[str, Any] = {}
    """Parameters of UpdateNodegroupVersion, in the spelling of Step Functions."""
    wait_seconds: int = 0
    """Before the next look, if it is still waiting."""


@entry(AwaitJobs)
def handler(request: AwaitJobs, now: datetime) -> JobsAnswer:
    """Look once; a second look finds the same nodes closed."""
    return await_jobs(request, now, World())


def await_jobs(request: AwaitJobs, now: datetime, world: World) -> JobsAnswer:
    """Raises: Conflict when the run lost the group; Refused when it was cancelled, or EKS would refuse the update."""
    run, since = request.run, request.jobs.since if request.jobs else now
    world.store.check_fence(run, request.change.fence)
    undo = world.store.change_of(run)
    wish, policy = world.wishes.wish(run.id), world.policies.at(run.policy).group(run.group)
    if wish and wish.wish == "cancel":
        raise Refused(f"{wish.said}; EKS's update had not begun")
    if halt := why_halted(undo, policy, wish, now, world):
        return JobsAnswer(status="waiting", reason=halt.reason, since=since, wait_seconds=halt.seconds(now))
    until = since + timedelta(hours=policy.job_grace_hours)
    jobs = _jobs(request, world) if now < until else []
    if jobs:
        reason = f"{', '.join(jobs[:5])} run until they end, or until {until.isoformat()}"
        pause = wait_seconds(since, now, until)
        return JobsAnswer(status="waiting", reason=reason, since=since, wait_seconds=pause)
    return _ready(request, policy, since, now, world)


def _ready(request: AwaitJobs, policy: GroupPolicy, since: datetime, now: datetime, world: World) -> JobsAnswer:
    """Everything that EKS is to be told; from the next state on, nobody can stop it."""
    nodegroup = world.nodegroups.describe(request.run.cluster, request.managed.nodegroup)
    if nodegroup.status == UPDATING:
        reason = f"EKS is at work on node group {nodegroup.name}: one thing at a time"
        return JobsAnswer(status="waiting", reason=reason, since=since, wait_seconds=rest_seconds(since, now))
    if why := busy(nodegroup):
        raise Refused(why)
    force = policy.drain.on_deadline == "force"
    release, template = request.target.release, request.change.template
    reason = f"EKS's update of {nodegroup.name} begins; from now on it cannot be paused, cancelled or undone"
    run = request.run
    world.wishes.close(run.id, f"since {now.isoformat()} EKS updates {nodegroup.name}, which nobody can stop", now)
    if (wish := world.wishes.wish(run.id)) and wish.wish == "cancel":
        raise Refused(f"{wish.said}; EKS's update had not begun")
    ask = update_request(nodegroup, release, template, request.managed.version, force=force)
    return JobsAnswer(status="ready", reason=reason, since=since, ask=ask)


def _jobs(request: AwaitJobs, world: World) -> list[str]:
    """Close the old nodes that carry Jobs, and name those: a node that is closed gets no more of them."""
    run, cluster = request.run, world.cluster(request.run.cluster)
    old = {i.id for i in world.groups.describe(run.group).staying if i.ami != request.target.ami}
    found: list[str] = []
    for node in cluster.nodes():
        if node.instance not in old:
            continue
        jobs = [pod.title for pod in cluster.pods_on(node.name) if must_go(pod) and pod.completes]
        if jobs and not node.unschedulable:
            cluster.cordon(node, run.id)
        found += jobs
    return found
