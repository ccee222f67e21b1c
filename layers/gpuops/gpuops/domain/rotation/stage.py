"""How an open change goes on from one stage to the next, and whether it goes back.

A stage is written down whole before its first act, like the originals: whoever repeats it finds its goals, not its
half-done state. What an earlier stage added and did not give back is carried on, and an autoscaler's scale-up between
two stages belongs to the group.
"""

from dataclasses import dataclass
from typing import Literal

from gpuops.domain.rotation.change import Stage, Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.restore import owed_nodes


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
    return undo.model_copy(update=begun | before)


def decide_back(undo: Undo, *, on_failure: bool) -> Back:
    """A release goes back for its own faults: a canary that failed, an alarm, too many failed admissions.

    A drain that a disruption budget holds up, or capacity that is missing, says nothing about the release: what has
    moved stays, and the next run goes on from there. Of a canary every failure counts, since nothing else has moved.
    """
    blamed = undo.condemned is not None
    if undo.stage != "canary" and not blamed:
        return Back("stay", "the release is not to blame: nodes that run it stay", blamed=False)
    if not on_failure:
        return Back("stay", "policy roll_back.on_failure is off: nodes that run the release stay", blamed)
    return Back("back", undo.condemned or "its canary failed", blamed)
