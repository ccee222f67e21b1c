"""Which new node stands in for which old one, and which old one is next.

An old node is drained only once a new one is ready for it alone: two old nodes that wait for the same newcomer
would take the group below its size. A slot of the plan is a turn, not a node: which old node it replaces is decided
when its newcomer is there, because only then is known in which zones Auto Scaling launched.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.cluster import Node
from gpuops.domain.keys import ADMITTED
from gpuops.domain.rotation.change import Stage, Undo
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.order import few


class Claim(BaseModel):
    """One new instance, taken for one old one."""

    model_config = ConfigDict(frozen=True)

    group: str
    run: str
    slot: str
    """The instance that the plan has in this place: whose claim it is, whichever instance it replaces."""
    old: str
    new: str = ""
    """Empty while an old instance that goes first has no successor yet."""
    node: str = ""
    """Name of the new instance's Node."""
    took: int = 0
    """Seconds from its launch until it was admitted; 0 where that is not known."""
    decrement: bool
    """Whether the slot gives back one node of the surge."""
    stage: Stage = "forward"
    """Of the change, when it was taken."""
    first: bool = False
    """Whether the old instance went before the new one came."""
    in_place: bool = False
    """Whether the old instance is to be the new one: it stays, and gets another root volume."""

    @property
    def out(self) -> bool:
        """Whether it leaves the group a node short."""
        return self.first and not self.new


@dataclass(frozen=True)
class Turn:
    """What a slot without a claim may do now."""

    status: Literal["take", "wait", "gone"]
    reason: str
    old: Instance | None = None


def claimable(group: Group, undo: Undo, taken: Iterable[str], zone: str) -> list[Instance]:
    """Return the new instances that nobody has claimed, the old node's zone first: its volumes can follow there."""
    claimed = set(taken)
    free = [i for i in group.staying if undo.is_new(i) and i.let_in and i.id not in claimed]
    return sorted(free, key=lambda instance: (instance.zone != zone, instance.id))


def with_newcomer(claim: Claim, free: Iterable[Instance], nodes: Iterable[Node]) -> Claim | None:
    """Return the claim with the first of the new instances whose node is admitted, or None."""
    admitted = {
        node.instance: node for node in nodes if node.admitted and node.isolated_by is None and not node.held_by
    }
    new = next((instance for instance in free if instance.id in admitted), None)
    if new is None:
        return None
    node = admitted[new.id]
    return claim.model_copy(update={"new": new.id, "node": node.name, "took": _took(new, node)})


def _took(instance: Instance, node: Node) -> int:
    """How long it took from the launch to the admission: AWS dates the one, we the other, so they may be compared."""
    if instance.launched is None:
        return 0
    return max(0, int((datetime.fromisoformat(node.annotations[ADMITTED]) - instance.launched).total_seconds()))


def shortage(group: Group, undo: Undo, free: int) -> str:
    """Say what a claim waits for, where so many new instances are in service and nobody's."""
    launched = sum(undo.is_new(instance) for instance in group.staying)
    return f"{launched} new instances, {free} of them in service and free, none of those admitted"


def leaving(group: Group, undo: Undo) -> str | None:
    """Say why no further old node may be taken yet: each on its way out is a machine more than the group's size.

    Where a hook holds terminations, they would pile up: no slot waits for its own.
    """
    olds = [instance for instance in group.instances if instance.leaving and not undo.is_new(instance)]
    if undo.strategy != "surge" or len(olds) < max(undo.surge, 1):
        return None
    return f"{len(olds)} old instances are still on their way out"


def unsettled(group: Group, undo: Undo, claims: Iterable[Claim]) -> str | None:
    """Say what a slot that gives back the surge should wait for a little, so that the zones end even.

    Auto Scaling launches as a replaced instance goes, in the zone that is emptiest then. A node that left for good
    before that would draw the launch after it. Gangs are not kept waiting for that: all their nodes go together.
    """
    if undo.strategy != "surge" or undo.stage == "canary" or undo.move or undo.gangs:
        return None
    if len({instance.zone for instance in group.staying}) == 1:
        return None
    there = {instance.id for instance in group.staying}
    going = [claim.old for claim in claims if claim.stage == undo.stage and not claim.decrement and claim.old in there]
    return f"until {few(going)} went: their successors even the zones" if going else None


def decide_turn(
    group: Group, undo: Undo, claims: Sequence[Claim], *, decrement: bool, bound: Collection[str] = ()
) -> Turn:
    """Choose the old instance for a slot, or say why it has none.

    Slots that give back the surge go last: before that, they would use up the newcomers that the others wait for.
    Those of canaries give theirs back, too, so that the group bakes at its own size, but choose as the first slot of
    any roll: the next launch then goes where that of a replacement would have gone, and the zones end as balanced. An
    instance that a gang waits for comes before every other one, whatever the zones: its fellows hold newcomers already.
    Those that are `bound` wait for a newcomer in the zone of their volumes.
    """
    taken = {claim.old for claim in claims}
    olds = [instance for instance in undo.olds(group) if instance.id not in taken]
    owed = undo.surge - sum(claim.decrement for claim in claims if claim.stage == undo.stage)
    if not olds:
        return Turn("gone", "no old instance is left")
    if not decrement and len(olds) <= owed:
        return Turn("gone", f"the {len(olds)} old instances left give back the surge")
    last = decrement and undo.stage != "canary"
    if last and len(olds) > owed:
        return Turn("wait", f"gives back the surge, after {len(olds) - owed} slots without a claim yet")
    choices = [old for old in olds if old.id not in bound]
    if not choices:
        return Turn("wait", "every old instance left has a volume in another zone than the new ones")
    fellows = {undo.gangs[claim.old] for claim in claims if claim.old in undo.gangs}
    awaited = next((old for old in choices if old.id in undo.together or undo.gangs.get(old.id) in fellows), None)
    old = awaited or select_old(group, undo, choices, taken, last=last)
    return Turn("take", f"{old.id} in {old.zone}", old)


def select_old(group: Group, undo: Undo, olds: Sequence[Instance], taken: Collection[str], *, last: bool) -> Instance:
    """Return which of these old instances goes next; `taken` has those that are going already.

    The plan's order holds as long as every zone keeps a reserve of old instances: one where the surge is one. Then
    the zones decide: a slot whose instance comes back takes from the zone with most old ones, of those from the
    emptiest; one of the `last`, that give back the surge, from the fullest. So what is left for these is spread as
    evenly as the group itself. A canary is one of the candidates, as long as there is one.

    Why a surge of one ends balanced, whichever way ties fall, if all were old and balanced when it began: Auto
    Scaling launches in the emptiest zone. So with the surge the zones hold q or q + 1 instances, and do again after
    each replacement: what leaves a zone of q comes back to it, what leaves one of q + 1 makes it one of q. In the end
    one old instance is left in each zone that had any. Taking one from a zone of q changes no zone's number. Once no
    zone of q has an old one, taking one from a zone of q + 1 raises only a zone that has no old one left. So the last
    one stands in a zone of q + 1, or all zones are equal: without it, they hold q or q + 1.

    What can undo it: a zone without capacity, and a roll that begins half done, where the fullest zone may have no
    old instance at all. With a larger surge the same holds while slots do not overlap and there is a node for each
    zone; where they do overlap, zones end at most the surge apart.
    """
    sizes = Counter(instance.zone for instance in group.staying if instance.id not in taken)
    left = Counter(instance.zone for instance in olds)
    if last:
        return max(olds, key=lambda old: (sizes[old.zone], left[old.zone]))
    idle = [old for old in olds if old.id in undo.candidates] if undo.stage == "canary" else []
    reserve = -(-undo.surge // len({instance.zone for instance in group.staying}))
    spare = (old for old in idle or olds if left[old.zone] > reserve)
    return next(spare, None) or min(idle or olds, key=lambda old: (-left[old.zone], sizes[old.zone]))


def failed_admissions(undo: Undo, limit: int) -> str | None:
    """Return why so many failed admissions prove the target to be bad, or None; a canary may not fail at all."""
    allowed = 0 if undo.stage == "canary" else limit
    if len(undo.failed) <= allowed:
        return None
    who = "a new node" if len(undo.failed) == 1 else f"{len(undo.failed)} new nodes"
    return f"{who} failed the admission: {undo.abandoned}"
