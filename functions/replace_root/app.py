"""Give an emptied node another root volume, and see that EC2 has done so; its admission follows.

The startup taint and the boot before it stand on the node first: whatever happens to us, nothing runs on it until it
was admitted from its new volume. What EC2 refuses is taken back, for then nothing has happened to the node.

In:  {"run": {...}, "change": {...}, "instance": "i-0old", "drain"?: {"node"}, "replace"?: <previous answer>,
      "now": "..."}
Out: {"status": "replacing" | "replaced" | "failed" | "gone" | "overdue", "reason", "admission", "task"?, "deadline",
      "wait_seconds"}
"""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.aws import client_token
from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Instance
from gpuops.domain.rotation.halt import Rest, halt_of_stop
from gpuops.domain.rotation.launch import override_amis
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.opening import missing_suspensions
from gpuops.domain.rotation.root import LOOK_SECONDS, PATIENCE, decide_swap, image_wanted
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.swaps import close_for_swap, open_again


class Replaced(Rest):
    """Out."""

    status: Literal["replacing", "replaced", "failed", "gone", "overdue"]
    reason: str
    admission: str
    """Name of the admission's execution: one for each instance and stage of the run."""
    task: str | None = None
    deadline: AwareDatetime
    wait_seconds: int = 0
    """Before the next call, if it is still replacing."""


class Host(BaseModel):
    """What the drain said."""

    node: str | None = None


class Request(BaseModel):
    """In."""

    run: Run
    change: Change
    instance: str
    drain: Host = Host()
    replace: Replaced | None = None


def replace_root(request: Request, now: datetime, world: World) -> Replaced:
    """While the global stop stands nothing is begun. A run that came to this way in the middle suspends what it needs.

    Raises: Conflict when the run does not hold the group any more; Refused where EC2 will not do it.
    """
    run = request.run
    world.store.check_fence(run, request.change.fence)
    undo = world.store.change_of(run)
    before = request.replace or _begin(request, undo, now)
    group = world.groups.describe(run.group)
    instance = group.instance(request.instance)
    if instance is None:
        return _answer(before, "gone", f"{request.instance} went away while its root volume was to be replaced")
    wanted = image_wanted(undo, instance, _original(undo, world))
    swap = decide_swap(instance, wanted, world.roots.task(before.task) if before.task else None)
    if swap.status == "begin":
        if halt := halt_of_stop(world.wishes.stop()):
            rest = {"resting": before.resting or now, "wait_seconds": halt.seconds(now)}
            return _answer(before, "replacing", halt.reason).model_copy(update=rest)
        world.groups.suspend(run.group, missing_suspensions(group, undo))
        return _replace(request, before, undo, instance, wanted, now=now, world=world)
    if swap.status == "replacing" and now >= before.deadline:
        return _answer(before, "overdue", f"{swap.reason} until {before.deadline.isoformat()}")
    return _answer(before, swap.status, swap.reason)


def _begin(request: Request, undo: Undo, now: datetime) -> Replaced:
    name = f"{request.run.id[:44]}-{undo.stage}-{request.instance}"
    return Replaced(status="replacing", reason="", admission=name, deadline=now + PATIENCE)


def _original(undo: Undo, world: World) -> str:
    """The image that the group launched before."""
    named = [world.templates.read(moved.resolved).ami for moved in undo.moved] if undo.stage == "back" else []
    return next((ami for ami in (*override_amis(undo.launch), *named) if ami), "")


def _replace(
    request: Request, before: Replaced, undo: Undo, instance: Instance, wanted: str, *, now: datetime, world: World
) -> Replaced:
    """Note the image, close the node, then ask EC2."""
    if undo.stage != "back":
        world.store.note_swap(request.run, instance.id, instance.ami)
    cluster = world.cluster(request.run.cluster)
    node = cluster.node_of(instance.id, hint=request.drain.node or instance.host)
    if node is None:
        return _answer(before, "gone", f"{instance.id} has no node any more")
    close_for_swap(node, now, cluster)
    token = client_token(request.run.id, request.run.group, instance.id, undo.stage, "root")
    try:
        task = world.roots.replace(instance.id, wanted, token)
    except (Refused, Invalid):
        if not node.pending:
            open_again(node, cluster)
        raise
    deadline = now + PATIENCE
    told = f"{node.name} restarts from a root volume of {wanted}: task {task.id}"
    return _answer(before, "replacing", told).model_copy(update={"task": task.id, "deadline": deadline})


def _answer(before: Replaced, status: str, reason: str) -> Replaced:
    wait = LOOK_SECONDS if status == "replacing" else 0
    return before.model_copy(update={"status": status, "reason": reason, "wait_seconds": wait, "resting": None})


@entry(Request)
def handler(request: Request, now: datetime) -> Replaced:
    """Replace; a second call finds the task of the first one."""
    return replace_root(request, now, World())
