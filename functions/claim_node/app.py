"""Claim one admitted new node for one old node; the state machine asks until there is one.

In:  {"run": {...}, "change": {...}, "instance": "i-0old", "decrement": false, "claim"?: {"deadline"}, "now": "..."}
Out: {"status": "claimed" | "waiting" | "gone" | "stopped" | "overdue", "reason", "node": "ip-10-0-1-7.ec2.internal",
      "deadline": "..."}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim, claimable
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.messages import Change
from gpuops.domain.run import Run
from gpuops.entry import entry


class Deadline(BaseModel):
    """What the answer before said."""

    deadline: datetime


class ClaimNode(BaseModel):
    """One old instance of an open change."""

    run: Run
    change: Change
    instance: str
    decrement: bool
    claim: Deadline | None = None


class ClaimAnswer(BaseModel):
    """Where the claim stands."""

    status: Literal["claimed", "waiting", "gone", "stopped", "overdue"]
    reason: str
    node: str | None = None
    """The new node, once claimed."""
    deadline: datetime


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
    deadline = request.claim.deadline if request.claim else now + _patience(run, world)
    claims = world.store.claims(run.group)
    mine = next((item for item in claims if item.old == request.instance), None)
    if mine:
        return ClaimAnswer(status="claimed", reason=f"node {mine.node} is ready", node=mine.node, deadline=deadline)
    group = world.groups.describe(run.group)
    old = group.instance(request.instance)
    if old is None:
        return ClaimAnswer(status="gone", reason="the instance left the group by itself", deadline=deadline)
    if undo.stopped:
        return ClaimAnswer(status="stopped", reason=f"the run stopped: {undo.stopped}", deadline=deadline)
    free = claimable(group, undo, [item.new for item in claims], old.zone)
    if node := _take_first(run, old, free, world):
        return ClaimAnswer(status="claimed", reason=f"node {node} is ready", node=node, deadline=deadline)
    reason = _shortage(group, undo, len(free))
    if now < deadline:
        return ClaimAnswer(status="waiting", reason=reason, deadline=deadline)
    world.store.stop(run, f"no admitted new node until {deadline.isoformat()}")
    return ClaimAnswer(status="overdue", reason=f"{reason} until {deadline.isoformat()}", deadline=deadline)


def _patience(run: Run, world: World) -> timedelta:
    """How long the policy that the run read lets a claim wait."""
    return timedelta(minutes=world.policies.at(run.policy).group(run.group).claim_deadline_minutes)


def _take_first(run: Run, old: Instance, free: list[Instance], world: World) -> str | None:
    """Claim the first admitted one that nobody else claims at this moment; return its node's name."""
    if not free:
        return None
    nodes = {node.instance: node for node in world.cluster(run.cluster).nodes() if node.admitted}
    for new in free:
        node = nodes.get(new.id)
        if node and world.store.claim(Claim(group=run.group, run=run.id, old=old.id, new=new.id, node=node.name)):
            return node.name
    return None


def _shortage(group: Group, undo: Undo, free: int) -> str:
    """What is missing, in words."""
    launched = sum(undo.is_new(instance) for instance in group.staying)
    return f"{launched} new instances, {free} of them in service and free, none of those admitted"
