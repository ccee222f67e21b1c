"""Decide whether the nodes of a failed change go back to the version before, and open that way for them.

In:  {"run": {...}, "plan": {"surge": 1}, "change": {"fence"}, "error"?, "now": "..."}
Out: {"status": "open" | "none", "reason", "nodes": [{"instance", "decrement", "reason"}], "surge",
      "change": {"fence", "template"}, "restored": ["..."]}
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from gpuops.adapters.spare import take_out_spare
from gpuops.adapters.versions import create_versions
from gpuops.adapters.world import World
from gpuops.domain.errors import Refused
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.image import AVAILABLE
from gpuops.domain.rotation.launch import override_amis, templates_of
from gpuops.domain.rotation.load import loads_of
from gpuops.domain.rotation.messages import Change
from gpuops.domain.rotation.opening import open_goals
from gpuops.domain.rotation.order import order_nodes
from gpuops.domain.rotation.plan import PlannedNode
from gpuops.domain.rotation.release import Condemned
from gpuops.domain.rotation.stage import Back, decide_back, next_stage, unadmitted
from gpuops.domain.rotation.strategy import GROWING
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.moving import grow, send_away

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


class OpenRollback(BaseModel):
    """A change that failed."""

    run: Run
    change: Change


class RollbackAnswer(BaseModel):
    """What goes back, in the words of a plan."""

    status: Literal["open", "none"]
    reason: str
    nodes: tuple[PlannedNode, ...] = ()
    surge: int = 0
    change: Change | None = None
    """For whoever replaces the nodes."""
    restored: tuple[str, ...] = ()
    """What was taken out at once, because nobody needed it."""


@entry(OpenRollback)
def handler(request: OpenRollback, now: datetime) -> RollbackAnswer:
    """Open the way back; a second call finds the same stage and goals."""
    return open_rollback(request, now, World())


def open_rollback(request: OpenRollback, now: datetime, world: World) -> RollbackAnswer:
    """Raises: Conflict when the run does not hold the group any more; Refused when the image before is gone."""
    run = request.run
    world.store.check_fence(run, request.change.fence)
    undo = world.store.undo(run.group)
    if undo is None or undo.run.id != run.id:
        return RollbackAnswer(status="none", reason="the run had no open change")
    policy = world.policies.at(run.policy).group(run.group)
    if undo.stage == "back":
        return _open(undo, request, policy.surge, (), world)
    decision = decide_back(undo, on_failure=policy.roll_back.on_failure, wish=world.wishes.wish(run.id))
    _remember(undo, decision, now, world)
    if decision.status == "stay":
        return RollbackAnswer(status="none", reason=decision.reason)
    cluster = world.cluster(run.cluster)
    done, _ = take_out_spare(undo, world, cluster)
    undo = _begin(undo, policy, cluster, world)
    if undo.stage != "back":
        return RollbackAnswer(status="none", reason=f"{decision.reason}: nothing had moved yet", restored=done)
    return _open(undo, request, policy.surge, done, world)


def _remember(undo: Undo, decision: Back, now: datetime, world: World) -> None:
    """Let no schedule roll the release again."""
    if decision.blamed:
        verdict = Condemned(target=undo.target, at=now, run=undo.run.id, why=undo.condemned or decision.reason)
        world.releases.condemn(undo.run.group, verdict)


def _check_images(undo: Undo, world: World) -> None:
    """Raises: Refused when an image of the version before is gone: its nodes could not be launched."""
    launch = undo.move.old.launch if undo.move else undo.launch
    before = templates_of(launch) if undo.move else [moved.resolved for moved in undo.moved]
    versions = (world.templates.read(template).ami for template in before)
    amis = dict.fromkeys((*(ami for ami in versions if ami), *override_amis(launch)))
    found = world.images.describe(amis)
    if gone := [ami for ami in amis if ami not in found or found[ami].state != AVAILABLE]:
        raise Refused(f"nodes cannot go back: {', '.join(gone)} cannot be launched any more")


def _begin(undo: Undo, policy: GroupPolicy, cluster: "Cluster", world: World) -> Undo:
    """Write down the way back, unless no node of the release is left."""
    group = world.groups.describe(undo.run.group)
    moved = [instance for instance in group.staying if undo.moved_to_target(instance)]
    if not moved:
        return undo
    _check_images(undo, world)
    nodes = cluster.nodes()
    names = {node.instance: node.name for node in nodes if node.instance}
    loads = loads_of(moved, names, cluster.pods_by_node())
    waiting = unadmitted(group, undo, nodes)
    order = tuple(load.instance for load in order_nodes(loads) if load.instance not in waiting)
    surge = min(policy.surge, len(order)) if undo.strategy in GROWING else 0
    if undo.in_place:
        world.claims.forget(undo.run)  # the same nodes are claimed once more
    undo = next_stage(undo, group, "back", surge=surge, order=order)
    world.store.write_undo(undo, begins=True)
    return undo


def _open(undo: Undo, request: OpenRollback, at_once: int, done: tuple[str, ...], world: World) -> RollbackAnswer:
    """Bring the group to the goals of the stage; its nodes are read from what was written down."""
    run = undo.run
    undo = create_versions(undo, world)
    world.store.check_fence(run, request.change.fence)
    group = world.groups.describe(run.group)
    if undo.move:
        grow(undo, group, world)
    else:
        world.groups.update(run.group, open_goals(group, undo))
    into = undo.receiver if undo.move else None
    for name in unadmitted(group, undo, world.cluster(run.cluster).nodes()):
        send_away(run, name, decrement=False, into=into, world=world)
    main = templates_of(undo.move.old.launch)[0] if undo.move else undo.versions()[undo.moved[0].source]
    last = len(undo.order) - undo.surge
    nodes = tuple(
        PlannedNode(instance=name, decrement=place >= last, reason="runs the release that goes back")
        for place, name in enumerate(undo.order)
    )
    many = "1 node goes" if len(nodes) == 1 else f"{len(nodes)} nodes go"
    reason = f"{many} back by launch template {main.id} version {main.version}"
    reason += f", into node group {undo.move.old.nodegroup}" if undo.move else ""
    change = Change(reason=reason, fence=request.change.fence, template=main, surge=undo.surge, into=into)
    return RollbackAnswer(status="open", reason=reason, nodes=nodes, surge=at_once, change=change, restored=done)
