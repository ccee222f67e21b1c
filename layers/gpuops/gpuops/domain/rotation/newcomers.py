"""When a newcomer can first be there, so that a slot looks then, and not every twenty seconds until then.

The newcomers of one roll boot from one image on one type of machine: what those before it took, from their launch until
they were admitted, tells when the next one is there. Launch times are AWS's and admissions are dated by ourselves, so
the two may be compared.
"""

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from statistics import median

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.waiting import wait_seconds

UNKNOWN = timedelta(minutes=3)
"""Before any newcomer of the roll was admitted: hardly a GPU instance boots and is admitted sooner."""
OFTEN = timedelta(seconds=15)
"""Between two looks at what nobody tells of."""
LOST = timedelta(minutes=1)
"""Between two looks at a newcomer that is due: its admission wakes the slot, unless that word got lost."""


def needs_no_look(undo: Undo, claimed: Collection[str], instance: Instance) -> bool:
    """Whether Auto Scaling's own word is enough for a claim: of an old instance in the plan, of a claimed new one.

    Where instances stay, only EC2 knows from which image one runs.
    """
    return instance.id in claimed or (instance.id in undo.order and not undo.in_place)


def is_told(undo: Undo) -> bool:
    """Whether a newcomer's admission wakes the slot that waits for it.

    Not where old nodes go first: a slot may wait there for others than a newcomer. Nor where nodes move into a new node
    group: an admission there speaks of the group that the node is in.
    """
    return undo.strategy == "surge" and undo.move is None


def next_due(group: Group, undo: Undo, claims: Sequence[Claim], slot: str, started: datetime) -> datetime | None:
    """Return when the slot's newcomer is there; None as long as nothing tells what newcomers take.

    Slots begin in the plan's order, so the first of them without a claim gets the newcomer that was launched first, the
    second the next one: they do not all look for the same. Whoever looks takes whichever is there. One whose newcomer
    is still to be launched began when that became due: as the node before it was terminated.
    """
    claimed, served = {claim.new for claim in claims}, {claim.slot for claim in claims}
    launches = (i.launched for i in group.staying if undo.is_new(i) and i.id not in claimed)
    coming = sorted(launch for launch in launches if launch is not None)
    waiting = [name for name in undo.order if name not in served]
    place = waiting.index(slot) if slot in waiting else 0
    known = [claim.took for claim in claims if claim.took]
    usual = timedelta(seconds=median(known)) if known else UNKNOWN
    if place < len(coming):
        return coming[place] + usual
    return started + usual if coming or known else None


def claim_seconds(
    due: datetime | None, started: datetime, now: datetime, deadline: datetime, *, told: bool = False
) -> int:
    """Return a slot's pause before its next look, never past the deadline; `told`: what it waits for wakes it.

    A slot that waits for others is due since it began. Long after that, looks become as rare as those at anything else
    that takes its time.
    """
    due = due or started + UNKNOWN
    if now - due > UNKNOWN:
        return wait_seconds(started, now, deadline)
    pause = max(due + LOST - now, LOST) if told else max(due - now, OFTEN)
    return max(1, math.ceil(min(pause, deadline - now).total_seconds()))
