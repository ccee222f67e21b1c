"""How a move between two managed node groups ends: finished, undone, or with the nodes shared between both.

A node group is deleted only while it has no node and wants none: EKS would drain and terminate what it finds there.
"""

from dataclasses import dataclass, field

from gpuops.adapters.aws import client_token
from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import GROUP_TAG, Home
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.owner import owner_of
from gpuops.domain.rotation.stage import unreturned


@dataclass
class Closing:
    """What was put back, what is left, and whether that is EKS's doing, so that reconcile looks again."""

    restored: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pending: bool = False


def close_move(undo: Undo, move: Move, world: World, *, verified: bool) -> Closing:
    """Finish the move, undo it, or leave both node groups as they share the nodes; nothing that has nodes is deleted.

    The old one is deleted only by a run that found every node of the group verified.
    """
    done, group = Closing(), world.groups.describe(undo.run.group)
    old, new = group.home(move.old.name), group.home(move.into)
    if verified and new and not (old and group.inhabited(old)):
        _delete(move.old.nodegroup, undo, done, world)
        _restore(new, undo, done, world, least=move.min, most=move.max)
        if owner := owner_of([move.old.tags]):
            done.left.append(
                f"commit to {owner}: node group {move.nodegroup}, {undo.target.release}, for {move.old.nodegroup}"
            )
    elif new is None or not group.inhabited(new):
        _delete(move.nodegroup, undo, done, world)
        if old:
            _restore(old, undo, done, world, least=move.min, most=move.max)
    elif old:
        least, most = min(move.min, old.desired), old.desired
        _restore(old, undo, done, world, least=least, most=most)
        _restore(new, undo, done, world, least=move.min - least, most=max(move.max - most, new.desired))
        kept = f"node group {old.nodegroup} is kept: {old.desired} nodes" + ("" if old.desired else ", not verified")
        done.left.append(kept)
    if note := unreturned(group, undo):
        done.left.append(note)
    return done


def _delete(name: str, undo: Undo, done: Closing, world: World) -> None:
    """Only what is ours to delete: the group's own by its tag, and what the run itself wrote down as the old one."""
    move, cluster = undo.move, undo.run.cluster
    found = world.nodegroups.find(cluster, name)
    ours = found and (found.tags.get(GROUP_TAG) == undo.run.group or (move and name == move.old.nodegroup))
    if found is None or not ours:
        return
    try:
        world.nodegroups.delete(cluster, name)
        done.restored.append(f"EKS deletes node group {name}")
    except Conflict as busy_now:
        done.left.append(f"{busy_now}: reconcile looks again")
        done.pending = True


def _restore(home: Home, undo: Undo, done: Closing, world: World, *, least: int, most: int) -> None:
    """Give one Auto Scaling group its sizes, and the processes that ran before."""
    run, before = undo.run, undo.move.old.suspended if undo.move else frozenset()
    resume = [name for name in undo.suspends if name in home.suspended and name not in before]
    world.groups.resume(home.name, resume)
    done.restored += [f"resumed {name} of {home.name}" for name in resume]
    if (home.min, home.max) == (least, max(1, most)):
        return
    try:
        token = client_token(run.id, run.group, home.name, f"sizes {least} {most}")
        world.nodegroups.set_sizes(run.cluster, home.nodegroup, least, most, token)
        done.restored.append(f"sizes {least} to {max(1, most)} of {home.nodegroup}")
    except Conflict as busy_now:
        done.left.append(f"{busy_now}: reconcile looks again")
        done.pending = True
