"""Terminate a drained instance, with decrement where the plan says so, and see that instance and Node are gone.

A roll of many nodes sees that once, at its end, for all of them (`confirm_later`; without `instance`), since no slot
needs to wait for it: the newcomer is there already. A node that went before its successor came is waited for.

In:  {"run": {...}, "change"?: {...}, "instance"?: "i-0old", "decrement": false, "confirm_later"?: true,
      "claim"?: {"status"}, "drain"?: {"node"}, "retire"?: {"deadline"}, "now": "..."}
Out: {"status": "retiring" | "retired" | "overdue", "reason", "deadline": "...", "wait_seconds": 20}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.halting import why_at_rest
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Refused
from gpuops.domain.rotation.halt import Halt, Rest
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.moving import send_away
from gpuops.repair.mine import check_goes
from gpuops.slots import give_slot_back

PATIENCE = timedelta(minutes=60)
"""Termination hooks of others may hold an instance; Auto Scaling's own default for them is one hour."""

GONE_SECONDS = 90
"""An instance takes a minute to end, and its Node goes after it; its successor needs longer, so nobody waits for it."""


class Deadline(Rest):
    """What the answer before said."""

    deadline: datetime


class Host(BaseModel):
    """What the drain said."""

    node: str | None = None


class Claimed(BaseModel):
    """What the claim said."""

    status: str = ""


class RetireNode(BaseModel):
    """One drained instance, of an open change or of a repair (the drain knows its Node); or all of the change's."""

    run: Run
    change: Change | None = None
    instance: str | None = None
    decrement: bool = False
    confirm_later: bool = False
    claim: Claimed = Claimed()
    drain: Host | None = None
    retire: Deadline | None = None


class RetireAnswer(Deadline):
    """Where the termination stands."""

    status: Literal["retiring", "retired", "overdue"]
    reason: str
    wait_seconds: int = 0
    """Before the next call, if it is still retiring."""


@entry(RetireNode)
def handler(request: RetireNode, now: datetime) -> RetireAnswer:
    """Retire; a second call finds the instance on its way out and terminates nothing."""
    return retire(request, now, World())


def retire(request: RetireNode, now: datetime, world: World) -> RetireAnswer:
    """Retire the one, or see that all are gone.

    Raises: Conflict when the run does not hold the group any more, nor the node that it repairs; Refused where not all
    are gone in time, or a person cancelled the repair.
    """
    if request.change is not None:
        world.store.check_fence(request.run, request.change.fence)
    return _retire(request, request.instance, now, world) if request.instance else _see_all_gone(request, now, world)


def _see_all_gone(request: RetireNode, now: datetime, world: World) -> RetireAnswer:
    """Nothing is terminated: every slot has done so."""
    deadline = request.retire.deadline if request.retire else now + PATIENCE
    left = ", ".join(_left(request.run, world))
    if not left:
        return RetireAnswer(status="retired", reason="every retired instance and its Node are gone", deadline=deadline)
    if now >= deadline:
        raise Refused(f"{left} still there at {deadline.isoformat()}")
    pause = wait_seconds(deadline - PATIENCE, now, deadline) if request.retire else GONE_SECONDS
    return RetireAnswer(status="retiring", reason=f"still there: {left}", deadline=deadline, wait_seconds=pause)


def _left(run: Run, world: World) -> list[str]:
    """Old instances on their way out, and Nodes that the run closed and whose instance is gone."""
    undo, group = world.store.change_of(run), world.groups.describe(run.group, lambda _: True)
    leaving = [instance.id for instance in group.instances if instance.leaving and not undo.is_new(instance)]
    there = {instance.id for instance in group.instances}
    nodes = world.cluster(run.cluster).nodes()
    return leaving + [node.name for node in nodes if node.cordoned_by == run.id and node.instance not in there]


def _retire(request: RetireNode, name: str, now: datetime, world: World) -> RetireAnswer:
    """One instance; nobody waits for it where the run looks later, and its newcomer serves already."""
    run = request.run
    times = request.retire or Deadline(deadline=now + PATIENCE)
    group = world.groups.describe(run.group, lambda _: True)
    if group.instance(name) and (halt := why_at_rest(run, world, repairs=request.change is None)):
        return _resting(times, halt, now)
    deadline = times.deadline + times.lost(now)
    if group.instance(name):
        if request.change is None:
            check_goes(run, name, _host(request, name, world))
        into = request.change.into if request.change else None
        send_away(run, name, decrement=request.decrement, into=into, world=world)
        reason = f"{name} is terminated"
        if request.confirm_later and request.claim.status == "claimed":
            give_slot_back(run, name, world)
            return RetireAnswer(status="retired", reason=f"{reason}; the run sees it gone", deadline=deadline)
        return RetireAnswer(status="retiring", reason=reason, deadline=deadline, wait_seconds=GONE_SECONDS)
    waiting = _waits_for(request, name, [instance.id for instance in group.instances], world)
    if waiting is None:
        give_slot_back(run, name, world)
        return RetireAnswer(status="retired", reason=f"{name} and its Node are gone", deadline=deadline)
    if now < deadline:
        pause = wait_seconds(deadline - PATIENCE, now, deadline)
        return RetireAnswer(status="retiring", reason=waiting, deadline=deadline, wait_seconds=pause)
    world.store.stop(run, f"{name}: {waiting} until {deadline.isoformat()}")
    return RetireAnswer(status="overdue", reason=f"{waiting} until {deadline.isoformat()}", deadline=deadline)


def _host(request: RetireNode, instance: str, world: World) -> Node | None:
    """The instance's Node, by the name that its drain knows."""
    cluster, name = world.cluster(request.run.cluster), request.drain.node if request.drain else None
    return cluster.node(name) if name else cluster.node_of(instance)


def _resting(times: Deadline, halt: Halt, now: datetime) -> RetireAnswer:
    """Leave the drained instance where it is; its deadline does not run meanwhile."""
    pause, since = halt.seconds(now), times.resting or now
    return RetireAnswer(
        status="retiring", reason=halt.reason, deadline=times.deadline, resting=since, wait_seconds=pause
    )


def _waits_for(request: RetireNode, instance: str, left: list[str], world: World) -> str | None:
    """What is not gone yet; a node lost count of would be counted on by the scheduler."""
    if instance in left:
        return f"{instance} is still terminating"
    node = _host(request, instance, world)
    return f"Node {node.name} is still there" if node and node.instance == instance else None
