"""Open a change of a group: take it, write down its originals, make it launch the new AMI and grow by the surge.

With canaries it opens for them alone; asked again with the stage `forward`, once they are good, for the others.

In:  {"run": {...}, "plan": {"target": {...}, "surge": 1, ...}, "change"?: <previous answer>, "stage"?: "forward",
      "now": "..."}
Out: {"status": "open" | "waiting", "reason", "fence": 7, "template": {"id", "version"}, "surge": 1, "since",
      "wait_seconds"}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.holders import take
from gpuops.adapters.versions import create_versions
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.change import Moved, Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.halt import halt_of_stop
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.rotation.messages import Change, Opening, RotationPlan
from gpuops.domain.rotation.opening import missing_suspensions, open_goals, originals
from gpuops.domain.rotation.stage import next_stage
from gpuops.domain.rotation.strategy import GROWING
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.managed import managed_originals, open_managed
from gpuops.moving import Clock, move_originals, open_move

PATIENCE = timedelta(minutes=10)
"""How long the change of one node's sharing may take that was begun before; the next one sees that a roll is open."""


class OpenChange(BaseModel):
    """A plan that says `roll`."""

    run: Run
    plan: RotationPlan
    change: Opening | None = None
    stage: Literal["forward"] | None = None


@entry(OpenChange)
def handler(request: OpenChange, now: datetime) -> Opening:
    """Open the change; a second call finds the same originals and goals."""
    return open_or_wait(request, now, World())


def open_or_wait(request: OpenChange, now: datetime, world: World) -> Opening:
    """Raises: Conflict as `open_change`, but only after some patience where it is not a roll that has the group.

    While the global stop stands nothing is opened, nor opened further, however long that is.
    Whoever holds `rotation` and not `lock` waits for something else than a roll: a node whose sharing changes.
    """
    if halt := halt_of_stop(world.wishes.stop()):
        return Opening(status="waiting", reason=halt.reason, wait_seconds=halt.seconds(now))
    since = _since(request, now)
    try:
        return Opening.model_validate(open_change(request, now, world).model_dump())
    except Conflict as held:
        if request.stage or now >= since + PATIENCE or not _goes_first(request.run, world):
            raise
        return Opening(status="waiting", reason=f"waits: {held}", since=since)


def _since(request: OpenChange, now: datetime) -> datetime:
    """When the wait began."""
    return request.change.since if request.change and request.change.since else now


def _goes_first(run: Run, world: World) -> bool:
    """Whether this roll has the group already, and only its lock not yet."""
    rotation, lock = world.store.lock("rotation", run.group), world.store.lock("lock", run.group)
    ours = rotation is not None and rotation.owner == run.execution
    return ours and (lock is None or lock.owner != run.execution)


def open_change(request: OpenChange, now: datetime, world: World) -> Change | Opening:
    """Open it, or wait for EKS.

    Raises: Conflict naming the owner when somebody else holds the group, or has not put it back yet.
    """
    run = request.run
    take(world.store, world.executions, "rotation", run, now)
    fence = take(world.store, world.executions, "lock", run, now)
    group = world.groups.describe(run.group)
    undo = world.store.undo(run.group) or _write_originals(group, request, now, world)
    if undo.run.id != run.id:
        raise Conflict(f"the change of {run.group} by run {undo.run.id} is not put back yet")
    if request.plan.managed:
        return open_managed(undo, request.plan.managed, group, fence, world)
    if request.stage == "forward" and undo.stage == "canary":
        undo = _widen(undo, group, request, world)
    if undo.move:
        return open_move(undo, undo.move, fence, Clock(_since(request, now), now), world)
    undo = create_versions(undo, world)
    world.store.check_fence(run, fence)
    world.groups.suspend(run.group, missing_suspensions(group, undo))
    world.groups.update(run.group, open_goals(group, undo))
    main = undo.versions()[undo.moved[0].source]
    reason = f"launch template {main.id} version {main.version}, {undo.surge} more instances"
    return Change(reason=reason, fence=fence, template=main, surge=undo.surge)


def _write_originals(group: Group, request: OpenChange, now: datetime, world: World) -> Undo:
    """Write down what the group was, before the first act on it."""
    plan = request.plan
    managed = managed_originals(plan.managed, request.run.cluster, world) if plan.managed else None
    moved = tuple(
        Moved(source=template, resolved=world.templates.read(template).template)
        for template in (() if managed or plan.move else templates_of(group.launch))
    )
    order = tuple(node.instance for node in plan.nodes)
    undo = originals(
        group,
        request.run,
        target=plan.target,
        surge=(sum(node.canary for node in plan.nodes) or plan.surge) if plan.strategy in GROWING else 0,
        moved=moved,
        now=now,
        order=order,
        strategy=plan.strategy,
        candidates=order[: plan.candidates],
    ).model_copy(
        update={
            "managed": managed,
            "move": move_originals(plan.move, group) if plan.move else None,
            "may_stay": plan.may_stay,
            "gangs": {node.instance: node.gang for node in plan.nodes if node.gang},
        }
    )
    world.store.write_undo(undo)
    world.releases.pardon(request.run.group, plan.target.ami)
    return undo


def _widen(undo: Undo, group: Group, request: OpenChange, world: World) -> Undo:
    """Write down that the others follow the canaries, with the surge of the plan."""
    surge = request.plan.surge if undo.strategy in GROWING else 0
    undo = next_stage(undo, group, "forward", surge=surge, order=undo.order)
    world.store.write_undo(undo, begins=True)
    return undo
