"""Terminate a drained instance, with decrement where the plan says so, and see that instance and Node are gone.

In:  {"run": {...}, "change"?: {...}, "instance": "i-0old", "decrement": false, "retire"?: {"deadline"}, "now": "..."}
Out: {"status": "retiring" | "retired" | "overdue", "reason", "deadline": "...", "wait_seconds": 20}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.rotation.halt import Halt, Rest, halt_of_stop
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry
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


class RetireNode(BaseModel):
    """One drained instance, of an open change or of a repair; its Node's name is known from its drain."""

    run: Run
    change: Change | None = None
    instance: str
    decrement: bool
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
    """Raises: Conflict when the run does not hold the group any more."""
    run, name = request.run, request.instance
    if request.change is not None:
        world.store.check_fence(run, request.change.fence)
    times = request.retire or Deadline(deadline=now + PATIENCE)
    group = world.groups.describe(run.group, lambda _: True)
    if group.instance(name) and (halt := halt_of_stop(world.wishes.stop())):
        return _resting(times, halt, now)
    deadline = times.deadline + times.lost(now)
    if group.instance(name):
        if request.decrement:
            world.store.give_back(run, name)
        world.groups.terminate(name, decrement=request.decrement)
        reason = f"{name} is terminated"
        return RetireAnswer(status="retiring", reason=reason, deadline=deadline, wait_seconds=GONE_SECONDS)
    waiting = _waits_for(request, [instance.id for instance in group.instances], world)
    if waiting is None:
        give_slot_back(run, name, world)
        return RetireAnswer(status="retired", reason=f"{name} and its Node are gone", deadline=deadline)
    if now < deadline:
        pause = wait_seconds(deadline - PATIENCE, now, deadline)
        return RetireAnswer(status="retiring", reason=waiting, deadline=deadline, wait_seconds=pause)
    world.store.stop(run, f"{name}: {waiting} until {deadline.isoformat()}")
    return RetireAnswer(status="overdue", reason=f"{waiting} until {deadline.isoformat()}", deadline=deadline)


def _resting(times: Deadline, halt: Halt, now: datetime) -> RetireAnswer:
    """Leave the drained instance where it is; its deadline does not run meanwhile."""
    pause, since = halt.seconds(now), times.resting or now
    return RetireAnswer(
        status="retiring", reason=halt.reason, deadline=times.deadline, resting=since, wait_seconds=pause
    )


def _waits_for(request: RetireNode, left: list[str], world: World) -> str | None:
    """What is not gone yet; a node lost count of would be counted on by the scheduler."""
    if request.instance in left:
        return f"{request.instance} is still terminating"
    cluster, name = world.cluster(request.run.cluster), request.drain.node if request.drain else None
    node = cluster.node(name) if name else cluster.node_of(request.instance)
    return f"Node {node.name} is still there" if node and node.instance == request.instance else None
