"""How a group gets back to its size: which nodes go for those that a change added and no retired node gave back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Group

NodeState = Literal["starting", "idle", "busy"]
"""Of a node that this change launched: not admitted yet, admitted without workload, with workload."""


@dataclass(frozen=True)
class Shrink:
    """How the surge that no retired node gave back is taken out."""

    desired: int | None
    """Lower goal where instances are missing anyway: then nothing is terminated."""
    terminate: tuple[str, ...]
    """Instances to terminate with decrement."""
    left: int
    """Nodes too many that carry workload: they stay until they are idle."""


def plan_shrink(group: Group, undo: Undo, states: Mapping[str, NodeState]) -> Shrink:
    """Return how the group gets back to its size: empty places first, then nodes that carry nothing.

    Only as many as this change added are taken back; what an autoscaler added meanwhile stays. `states` has those nodes
    that may go: the change's own, and where these carry workload, others that are idle.
    """
    owed = owed_nodes(group, undo)
    empty = min(owed, max(0, group.desired - len(group.staying)))
    chosen = _select_spare(group, undo, states, owed - empty)
    return Shrink(desired=group.desired - empty if empty else None, terminate=chosen, left=owed - empty - len(chosen))


def _select_spare(group: Group, undo: Undo, states: Mapping[str, NodeState], count: int) -> tuple[str, ...]:
    """Choose nodes that carry nothing: our own first, of these those that do not serve yet, then the fullest zone's.

    On the way back, what still runs the bad release goes before what replaced it.

    Zones that end two apart would have Auto Scaling move a loaded node as soon as it may balance again.
    """
    spare = [i for i in group.staying if states.get(i.id, "busy") != "busy"]
    sizes = Counter(instance.zone for instance in group.staying)
    chosen: list[str] = []
    while spare and len(chosen) < count:
        one = min(
            spare, key=lambda i: (not undo.is_ours(i), states[i.id] == "idle", undo.is_new(i), -sizes[i.zone], i.id)
        )
        spare.remove(one)
        sizes[one.zone] -= 1
        chosen.append(one.id)
    return tuple(chosen)


def may_swap(group: Group, undo: Undo) -> bool:
    """Whether a node that the change found may go in place of one that it launched.

    Not of a node group of its own, and not for a bad release: a loaded node of that is what has to go.
    """
    bad = undo.stage == "back" or undo.condemned is not None
    return not undo.move and not (bad and any(undo.moved_to_target(instance) for instance in group.staying))


def owed_nodes(group: Group, undo: Undo) -> int:
    """Return how many nodes that the change added are still part of the desired capacity."""
    owed = undo.carried + undo.surge - undo.given_back(group)
    return min(max(0, owed), max(0, group.desired - undo.desired))
