"""Wait, before EKS's update of a node group begins, until the Jobs on its old nodes have ended or their grace has.

EKS gives a pod fifteen minutes, whatever it is, and cannot be stopped: so the patience with Jobs and gangs comes first,
and what may never be touched keeps EKS away. Nodes that have some are closed to new pods meanwhile, and what people
wish of the run is heard for the last time. What EKS is doing to the node group already, such as setting its update
strategy, is waited for as well.

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
from gpuops.domain.rotation.hold import FOR_BUDGET
from gpuops.domain.rotation.jobs import Jobs, decide_jobs
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.nodegroup import UPDATING, ManagedPlan, Nodegroup, busy, update_request
from gpuops.domain.rotation.target import Target
from gpuops.domain.rotation.waiting import rest_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.slots import take_slots


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
    jobs = _look(request, policy, since, now, world)
    if jobs.status == "refused":
        raise Refused(f"{jobs.reason}; EKS's update had not begun")
    if jobs.status == "waiting":
        return JobsAnswer(status="waiting", reason=jobs.reason, since=since, wait_seconds=jobs.wait_seconds)
    return _ready(request, policy, since, now, world)


def _ready(request: AwaitJobs, policy: GroupPolicy, since: datetime, now: datetime, world: World) -> JobsAnswer:
    """Everything that EKS is to be told; from the next state on, nobody can stop it."""
    nodegroup = world.nodegroups.describe(request.run.cluster, request.managed.nodegroup)
    if nodegroup.status == UPDATING:
        reason = f"EKS is at work on node group {nodegroup.name}: one thing at a time"
        return JobsAnswer(status="waiting", reason=reason, since=since, wait_seconds=rest_seconds(since, now))
    if why := busy(nodegroup):
        raise Refused(why)
    if full := _no_room(request, nodegroup, world):
        if now >= since + timedelta(hours=policy.job_grace_hours) + FOR_BUDGET:
            raise Refused(f"{full}, since {since.isoformat()}; EKS's update had not begun")
        return JobsAnswer(status="waiting", reason=full, since=since, wait_seconds=rest_seconds(since, now))
    force = policy.drain.on_deadline == "force"
    release, template = request.target.release, request.change.template
    reason = f"EKS's update of {nodegroup.name} begins; from now on it cannot be paused, cancelled or undone"
    run = request.run
    world.wishes.close(run.id, f"since {now.isoformat()} EKS updates {nodegroup.name}, which nobody can stop", now)
    if (wish := world.wishes.wish(run.id)) and wish.wish == "cancel":
        raise Refused(f"{wish.said}; EKS's update had not begun")
    ask = update_request(nodegroup, release, template, request.managed.version, force=force)
    return JobsAnswer(status="ready", reason=reason, since=since, ask=ask)


def _no_room(request: AwaitJobs, nodegroup: Nodegroup, world: World) -> str | None:
    """Take the fleet's slots for as many old nodes as EKS takes at a time; return why not, or None.

    Which those are only EKS knows: the slots bear the first ones' names, and are given back when the change closes.
    """
    run = request.run
    group = world.groups.describe(run.group)
    old = sorted(i.id for i in group.staying if i.ami != request.target.ami)
    taken = old[: nodegroup.at_a_time(len(group.staying))]
    return take_slots(run, taken, world.policies.at(run.policy), world)


def _look(request: AwaitJobs, policy: GroupPolicy, since: datetime, now: datetime, world: World) -> Jobs:
    """Look at the old nodes, and close those that carry what is waited for: a closed node gets no more of it.

    One for which the fleet's budget has no slot stays open.
    """
    run, cluster = request.run, world.cluster(request.run.cluster)
    whole = world.policies.at(run.policy)
    old = {i.id for i in world.groups.describe(run.group).staying if i.ami != request.target.ami}
    nodes = [node for node in cluster.nodes() if node.instance in old]
    jobs = decide_jobs(cluster.pods_by_node(), [node.name for node in nodes], policy, since, now)
    for node in nodes:
        if node.name in jobs.close and not node.unschedulable and not take_slots(run, [node.instance], whole, world):
            cluster.cordon(node, run.id)
    return jobs
