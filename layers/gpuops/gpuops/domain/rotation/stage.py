"""How an open change goes on from one stage to the next, and whether it goes back.

A stage is written down whole before its first act, like the originals: whoever repeats it finds its goals, not its
half-done state. What an earlier stage added and did not give back is carried on, and an autoscaler's scale-up between
two stages belongs to the group.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gpuops.domain.cluster import Node
from gpuops.domain.rotation.change import Stage, Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.move import Move
from gpuops.domain.rotation.shrink import owed_nodes
from gpuops.domain.rotation.wish import Wish

MOST_NAMED = 10
"""A payload travels through every state: the rest is counted."""


@dataclass(frozen=True)
class Back:
    """Whether the nodes that were moved go back, and why or why not."""

    status: Literal["back", "stay"]
    reason: str
    blamed: bool
    """Whether the release is to be remembered as bad."""


def next_stage(undo: Undo, group: Group, stage: Stage, *, surge: int, order: tuple[str, ...]) -> Undo:
    """Return the change as its next stage begins."""
    owed = owed_nodes(group, undo)
    begun = {"stage": stage, "surge": surge, "order": order, "carried": owed, "desired": group.desired - owed}
    before = {"settled": undo.decremented, "sizes": undo.sizes | {undo.size}, "stopped": None}
    move = {"move": moved_on(undo, undo.move, group, back=stage == "back")} if undo.move else {}
    return undo.model_copy(update=begun | before | move)


def moved_on(undo: Undo, move: Move, group: Group, *, back: bool) -> Move:
    """Return the move as its next stage begins: from here on, what grows is counted anew.

    On the way back, old instances that never went are no newcomers.
    """
    home = group.home(move.receiver(back=back))
    turns = back and undo.stage != "back"
    stay = {instance.id for instance in group.staying if instance.home == move.old.name} if turns else set()
    base = home.desired if home else 0
    return move.model_copy(update={"base": base, "grown": undo.grown, "settled": move.settled | stay})


def decide_back(undo: Undo, *, on_failure: bool, wish: Wish | None = None) -> Back:
    """A release goes back for its own faults: a canary that failed, an alarm, too many failed admissions.

    A drain that a disruption budget holds up, or capacity that is missing, says nothing about the release: what has
    moved stays, and the next run goes on from there. Of a canary every failure counts, since nothing else has moved.
    Whoever cancels the run decides about it, as far as the release is not to blame.
    """
    blamed = undo.condemned is not None
    if wish is not None and wish.wish == "cancel" and (wish.roll_back or not blamed):
        return Back("back" if wish.roll_back else "stay", wish.said, blamed)
    if undo.stage != "canary" and not blamed:
        return Back("stay", "the release is not to blame: nodes that run it stay", blamed=False)
    if not on_failure:
        return Back("stay", "policy roll_back.on_failure is off: nodes that run the release stay", blamed)
    return Back("back", undo.condemned or "its canary failed", blamed)


def unadmitted(group: Group, undo: Undo, nodes: Iterable[Node]) -> frozenset[str]:
    """Return nodes of the release that serve nobody yet: they go at once, and Auto Scaling launches the ones before."""
    admitted = {node.instance for node in nodes if node.admitted}
    return frozenset(i.id for i in group.staying if undo.has_gone(i) and i.id not in admitted)


def unreturned(group: Group, undo: Undo) -> str | None:
    """Say which nodes still run the release although they were to go back."""
    left = [i.id for i in group.staying if i.ami == undo.target.ami] if undo.stage == "back" else []
    if not left:
        return None
    more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    nodes = "1 node still runs" if len(left) == 1 else f"{len(left)} nodes still run"
    return f"{nodes} {undo.target.release}: {', '.join(left[:MOST_NAMED])}{more}"
