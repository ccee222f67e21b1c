"""Put a group back and let it go, however the run ended; reconcile calls it for runs that died.

In:  {"run": {...}, "now": "..."}
Out: {"status": "closed", "reason", "restored": ["..."], "left": ["..."], "surplus": 0}
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from gpuops.adapters.spare import take_out_spare
from gpuops.adapters.world import World
from gpuops.domain.faults.regression import Rolled
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.nodegroup import Managed
from gpuops.domain.rotation.owner import owner_of, to_commit
from gpuops.domain.rotation.restore import arriving, is_rolled, lopsided, plan_restore
from gpuops.domain.rotation.stage import unreturned
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.managed import close_managed
from gpuops.move_closing import close_move
from gpuops.smokes import remove_smokes, take_nodes_back
from gpuops.swaps import settle_swaps

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


TOO_MANY = "{} nodes too many carry workload: reconcile retires them once they are idle"


class Verified(BaseModel):
    """What the plan after the roll said."""

    status: str


class CloseChange(BaseModel):
    """Whose change to close; that it was never opened is fine."""

    run: Run
    verify: Verified | None = None
    """There where the run got as far as that; reconcile knows of none."""


class CloseAnswer(BaseModel):
    """What was put back, and what could not be."""

    status: Literal["closed"] = "closed"
    reason: str
    restored: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    surplus: int = 0
    """Nodes too many that carry workload; reconcile tries again until they are idle."""


@entry(CloseChange)
def handler(request: CloseChange, now: datetime) -> CloseAnswer:
    """Close; a second call finds nothing of the run any more."""
    world, verified = World(), request.verify is not None and request.verify.status == "current"
    if verified:
        remember_roll(request.run, now, world)
    return close(request.run, world, verified=verified)


def remember_roll(run: Run, now: datetime, world: World) -> None:
    """Write down what the group was brought to, and from what: faults of the next hours may be its doing."""
    undo = world.store.undo(run.group)
    if undo is None or undo.run.id != run.id or undo.stage == "back":
        return
    before = world.templates.read(undo.moved[0].resolved).ami if undo.moved else ""
    world.releases.keep_roll(run.group, Rolled(target=undo.target, at=now, run=run.id, before=before))


def close(run: Run, world: World, *, verified: bool = False) -> CloseAnswer:
    """Only what this run wrote down is touched: the change of another run, or none, is left alone."""
    undo = world.store.undo(run.group)
    if undo is None or undo.run.id != run.id:
        restored = _unshare(run, world)
        _let_go(run, world)
        what = f"; {len(restored)} things put back" if restored else ""
        return CloseAnswer(reason=f"the run had no open change{what}", restored=restored)
    if undo.managed:
        return _close_managed(undo, undo.managed, world)
    if undo.move:
        return _close_move(undo, undo.move, world, verified=verified)
    restored, _ = _settings(undo, world)
    cluster = world.cluster(run.cluster)
    restored += _marks(run, world, cluster)
    unsettled = settle_swaps(undo, cluster.nodes(), world, cluster) if undo.swapped else ()
    shrunk, surplus = take_out_spare(undo, world, cluster, closing=True)
    again, left = _settings(undo, world)
    left += unsettled + _to_commit(undo, world)
    restored += shrunk + again + remove_smokes(run.group, world, cluster)
    world.claims.forget(run)
    if surplus:
        left += (TOO_MANY.format(surplus),)
    if arrivals := arriving(world.groups.describe(run.group), undo):
        left += (f"protection of {', '.join(arrivals)}: reconcile takes it off once they are in service",)
    if not surplus and not arrivals:
        world.store.delete_undo(run)
    restored += _marks(run, world, cluster)  # an admission that saw the change open may have marked its node since
    _let_go(run, world)
    return _answer(restored, left, surplus)


def _answer(restored: tuple[str, ...], left: tuple[str, ...], surplus: int = 0) -> CloseAnswer:
    reason = f"{len(restored)} things put back, {len(left)} left"
    return CloseAnswer(reason=reason, restored=restored, left=left, surplus=surplus)


def _close_managed(undo: Undo, managed: Managed, world: World) -> CloseAnswer:
    """EKS's own group: only what the run itself wrote is put back."""
    cluster = world.cluster(undo.run.cluster)
    restored, left = close_managed(undo, managed, world, lambda: _marks(undo.run, world, cluster))
    restored += remove_smokes(undo.run.group, world, cluster)
    _let_go(undo.run, world)
    return _answer(restored, left)


def _close_move(undo: Undo, move: Move, world: World, *, verified: bool) -> CloseAnswer:
    """Two node groups of EKS's: the one that is needed no longer goes."""
    run, cluster = undo.run, world.cluster(undo.run.cluster)
    marks = _marks(run, world, cluster)
    shrunk, surplus = take_out_spare(undo, world, cluster)
    done = close_move(undo, move, world, verified=verified)
    smokes = remove_smokes(run.group, world, cluster)
    world.claims.forget(run)
    left = (*done.left, *([TOO_MANY.format(surplus)] if surplus else []))
    if not surplus and not done.pending:
        world.store.delete_undo(run)
    restored = (*marks, *shrunk, *done.restored, *smokes, *_marks(run, world, cluster))
    _let_go(run, world)
    return _answer(restored, left, surplus)


def _unshare(run: Run, world: World) -> tuple[str, ...]:
    """Give back the nodes whose configuration the run was changing: the old one first, as settle_node does.

    Whoever does not hold the group has changed none.
    """
    lock = world.store.lock("lock", run.group)
    if lock is None or lock.owner != run.execution:
        return ()
    cluster = world.cluster(run.cluster)
    return (*take_nodes_back(run, world, cluster), *remove_smokes(run.group, world, cluster))


def _let_go(run: Run, world: World) -> None:
    """Give back slots, then both locks, and leave reconcile's list unless originals are still there."""
    world.budgets.give_all_back(run.execution)
    world.store.release("lock", run)
    world.store.release("rotation", run)
    world.store.forget_if_free(run.group)


def _settings(undo: Undo, world: World) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put the group's own settings back, as far as its size allows by now."""
    name = undo.run.group
    group = world.groups.describe(name)
    ids = {moved.resolved.id: moved.source.id for moved in undo.moved}
    latest = {source: world.templates.read(Template(id=own, version="$Latest")).latest for own, source in ids.items()}
    goals = plan_restore(group, undo, latest)
    uneven = None if "AZRebalance" in undo.suspended else lopsided(group)
    world.groups.update(name, goals.update)
    world.groups.resume(name, goals.resume)
    world.groups.unprotect(name, goals.unprotect)
    notes = tuple(note for note in (uneven, unreturned(group, undo)) if note)
    return goals.restored, goals.left + notes


def _to_commit(undo: Undo, world: World) -> tuple[str, ...]:
    """What to write into the text from which Terraform or CloudFormation makes the group, once it is rolled."""
    group = world.groups.describe(undo.run.group)
    if not undo.versions() or not is_rolled(group, undo):
        return ()
    owner = owner_of([group.tags, *world.templates.tags([moved.source.id for moved in undo.moved])])
    return (to_commit(owner, undo, group),) if owner else ()


def _marks(run: Run, world: World, cluster: "Cluster") -> tuple[str, ...]:
    """Take back the run's own cordons, and let Cluster Autoscaler have its nodes; what somebody else said stays.

    The node of an instance on its way out stays closed: a pod that it lets in now dies with it.
    """
    staying = {instance.id for instance in world.groups.describe(run.group).staying}
    nodes = cluster.nodes()
    cordoned = [node for node in nodes if node.cordoned_by == run.id and node.instance in staying]
    for node in cordoned:
        cluster.uncordon(node)
    kept = [node for node in nodes if node.kept_for == run.id]
    for node in kept:
        cluster.let_go(node)
    return (*(f"uncordoned {node.name}" for node in cordoned), *(f"scale-down of {node.name}" for node in kept))
