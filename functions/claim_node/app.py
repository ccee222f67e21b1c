"""Claim an admitted new node for one slot of the plan, and choose which old node it stands in for.

In:  {"run": {...}, "change": {...}, "instance": "i-0slot", "decrement": false, "claim"?: <previous answer>,
      "now": "..."}
Out: {"status": "claimed" | "waiting" | "gone" | "stopped" | "overdue", "reason", "instance": "i-0old",
      "node": "ip-10-0-1-7.ec2.internal", "started": "...", "deadline": "...", "wait_seconds": 20}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry


class Times(BaseModel):
    """What the answer before said."""

    started: datetime
    deadline: datetime


class ClaimNode(BaseModel):
    """One slot of an open change; it bears the name of the instance that the plan has in its place."""

    run: Run
    change: Change
    instance: str
    decrement: bool
    claim: Times | None = None


class ClaimAnswer(BaseModel):
    """Where the claim stands."""

    status: Literal["claimed", "waiting", "gone", "stopped", "overdue"]
    reason: str
    instance: str | None = None
    """The old instance that this slot replaces, once claimed."""
    node: str | None = None
    """The new node, once claimed."""
    started: datetime
    deadline: datetime
    wait_seconds: int = 0
    """Before the next call, if it is still waiting."""


@entry(ClaimNode)
def handler(request: ClaimNode, now: datetime) -> ClaimAnswer:
    """Claim; a second call finds the first one's claim."""
    return claim(request, now, World())


def claim(request: ClaimNode, now: datetime, world: World) -> ClaimAnswer:
    """Raises: Conflict when the run does not hold the group any more."""
    run = request.run
    world.store.check_fence(run, request.change.fence)
    undo = world.store.undo(run.group)
    if undo is None:
        raise Conflict(f"run {run.id} has no open change of {run.group}")
    times = request.claim or Times(started=now, deadline=now + _patience(run, world))
    claims = world.store.claims(run.group)
    if mine := next((item for item in claims if item.slot == request.instance), None):
        return _claimed(mine, times)
    group = world.groups.describe(run.group)
    turn = decide_turn(group, undo, claims, decrement=request.decrement)
    if turn.status == "gone":
        return ClaimAnswer(status="gone", reason=turn.reason, **dict(times))
    if undo.stopped:
        return ClaimAnswer(status="stopped", reason=f"the run stopped: {undo.stopped}", **dict(times))
    if turn.old is None:
        return _waiting(turn.reason, request, times, now, world)
    free = claimable(group, undo, [item.new for item in claims], turn.old.zone)
    if mine := _take_first(request, turn.old, free, world):
        return _claimed(mine, times)
    return _waiting(_shortage(group, undo, len(free)), request, times, now, world)


def _claimed(mine: Claim, times: Times) -> ClaimAnswer:
    reason = f"node {mine.node} is ready for what runs on {mine.old}"
    return ClaimAnswer(status="claimed", reason=reason, instance=mine.old, node=mine.node, **dict(times))


def _waiting(reason: str, request: ClaimNode, times: Times, now: datetime, world: World) -> ClaimAnswer:
    """Wait, or stop the run: the slots after this one would wait as long for the same missing node."""
    if now < times.deadline:
        pause = wait_seconds(times.started, now, times.deadline)
        return ClaimAnswer(status="waiting", reason=reason, wait_seconds=pause, **dict(times))
    why = f"{reason} until {times.deadline.isoformat()}{_why(request.run, world)}"
    world.store.stop(request.run, why)
    return ClaimAnswer(status="overdue", reason=why, **dict(times))


def _why(run: Run, world: World) -> str:
    """What became of the newcomers: in our own words if we turned them away, else in Auto Scaling's."""
    undo = world.store.undo(run.group)
    why = undo and (undo.abandoned or world.groups.last_failure(run.group, undo.at))
    return f"; {why}" if why else ""


def _patience(run: Run, world: World) -> timedelta:
    """How long the policy that the run read lets a claim wait."""
    return timedelta(minutes=world.policies.at(run.policy).group(run.group).claim_deadline_minutes)


def _take_first(request: ClaimNode, old: Instance, free: list[Instance], world: World) -> Claim | None:
    """Claim the first admitted one. Whoever was quicker has taken the old or the new one: then this call waits."""
    if not free:
        return None
    run = request.run
    nodes = {node.instance: node for node in world.cluster(run.cluster).nodes() if node.admitted}
    new = next((instance for instance in free if instance.id in nodes), None)
    if new is None:
        return None
    mine = Claim(
        group=run.group,
        run=run.id,
        slot=request.instance,
        old=old.id,
        new=new.id,
        node=nodes[new.id].name,
        decrement=request.decrement,
    )
    return mine if world.store.claim(mine) else None


def _shortage(group: Group, undo: Undo, free: int) -> str:
    """What is missing, in words."""
    launched = sum(undo.is_new(instance) for instance in group.staying)
    return f"{launched} new instances, {free} of them in service and free, none of those admitted"
