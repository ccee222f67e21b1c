"""Claim an admitted new node for one slot of the plan, and choose which old node it stands in for.

Where old nodes go first, the slot takes its old one while enough others serve, and is asked again for the successor
once that one is gone; where nodes stay, once it was admitted on its new root volume. Without a change it is a repair
that replaces the node, and only the successor is waited for.

In:  {"run": {...}, "change"?: {...}, "instance": "i-0slot", "decrement": false, "claim"?: <previous answer>,
      "admit"?: {...}, "now": "..."}
Out: {"status": "claimed" | "taken" | "in_place" | "filled" | "waiting" | "gone" | "stopped" | "overdue" | "condemned",
      "reason", "slot", "instance": "i-0old", "decrement", "node": "ip-10-0-1-7.ec2.internal", "started", "deadline",
      "wait_seconds": 20}
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel

from gpuops.adapters.halting import why_cancelled, why_halted
from gpuops.adapters.verdicts import why_condemned
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn, leaving, shortage, unsettled, with_newcomer
from gpuops.domain.rotation.claiming import Times
from gpuops.domain.rotation.first import Limits, in_service, why_not_out
from gpuops.domain.rotation.group import Group, Instance
from gpuops.domain.rotation.messages import Change, ClaimAnswer
from gpuops.domain.rotation.newcomers import needs_no_look
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.in_place import come_back, in_place, take_in_place
from gpuops.pairing import Pairing
from gpuops.patience import Look, answer, begin, lacking, wait, wait_for_instance, wait_for_terminations
from gpuops.successor import succeed

EVEN = timedelta(minutes=5)
"""How long a slot that gives back the surge waits for even zones: not for a Job that keeps a node for days."""
AGAIN_SECONDS = 30
"""Between two looks at that: a drain and a termination hardly end sooner."""


class Admission(BaseModel):
    """How the admission of a node that stays has ended."""

    reason: str = "its admission was not needed"


class ClaimNode(BaseModel):
    """One slot of an open change; at first it bears the name of the instance that the plan has in its place."""

    run: Run
    change: Change | None = None
    instance: str
    decrement: bool
    claim: Times | None = None
    admit: Admission | None = None

    @property
    def slot(self) -> str:
        """The slot's name, whichever instance it turned out to replace."""
        return (self.claim and self.claim.slot) or self.instance


@entry(ClaimNode)
def handler(request: ClaimNode, now: datetime) -> ClaimAnswer:
    """Claim; a second call finds the first one's claim."""
    return claim(request, now, World())


def claim(request: ClaimNode, now: datetime, world: World) -> ClaimAnswer:
    """Raises: Conflict when the run does not hold the group any more."""
    run = request.run
    if request.change is None:
        return succeed(run, request.instance, request.claim, now, world)
    world.store.check_fence(run, request.change.fence)
    undo = world.store.change_of(run)
    policy = world.policies.at(run.policy).group(run.group)
    times = _times(request, now, policy)
    look = Look(run, now, world, undo, policy, world.claims.of(run.group), times)
    mine = next((item for item in look.claims if item.slot == request.slot), None)
    if mine and mine.in_place:
        return in_place(mine, look) if request.admit is None else come_back(mine, look, request.admit.reason)
    if mine and mine.first:
        return _succeed(mine, look)
    return _chosen(mine, times) if mine else _take_turn(request, look)


def _times(request: ClaimNode, now: datetime, policy: GroupPolicy) -> Times:
    """The clock of this wait; it begins anew for the successor of a node that went first."""
    before = request.claim
    if before is None or before.status == "taken":
        return begin(request.slot, now, policy)
    return before.model_copy(update={"slot": request.slot})


def _take_turn(request: ClaimNode, look: Look) -> ClaimAnswer:
    """Choose the old node, and claim a newcomer for it, or let it go first."""
    claimed = {item.new for item in look.claims}
    group = look.world.groups.describe(look.run.group, partial(needs_no_look, look.undo, claimed))
    turn = decide_turn(group, look.undo, look.claims, decrement=request.decrement)
    gone = answer("gone", turn.reason, look.times) if turn.status == "gone" else None
    if barred := gone or _barred(look):
        return barred
    look = replace(look, times=look.times.after_rest(look.now))
    if turn.old is None:
        return wait(turn.reason, look, group)
    if request.decrement and look.now < look.times.started + EVEN and (why := unsettled(group, look.undo, look.claims)):
        return answer("waiting", why, look.times, wait_seconds=AGAIN_SECONDS)
    wanted = Claim(
        group=group.name,
        run=look.run.id,
        slot=request.slot,
        old=turn.old.id,
        decrement=request.decrement,
        stage=look.undo.stage,
    )
    if look.undo.in_place and not look.undo.surge:
        return take_in_place(wanted, group, look)
    return _pair(wanted, turn.old, group, look)


def _pair(wanted: Claim, old: Instance, group: Group, look: Look) -> ClaimAnswer:
    """Claim a newcomer for the old node; where there is none, go on in the way in which the roll goes on without."""
    connect, private_dns = partial(look.world.cluster, look.run.cluster), look.world.instances.private_dns
    pairing = Pairing(group, look.undo, look.claims, connect, private_dns)
    pair = pairing.pair(wanted, old)
    if claimed_now := pair.found and _claim(pair.found, group, look):
        return claimed_now
    if look.undo.strategy == "terminate_first":
        return _go_first(wanted, group, pairing.cluster.nodes(), look)
    why = pair.why or "somebody else was quicker"
    return take_in_place(wanted, group, look) if look.undo.in_place else wait_for_instance(why, group, look)


def _claim(found: Claim, group: Group, look: Look) -> ClaimAnswer | None:
    """Make the claim, unless too many old nodes are on their way out; None where somebody else was quicker."""
    if why := leaving(group, look.undo):
        return wait_for_terminations(why, look)
    return _chosen(found, look.times) if look.world.claims.add(found) else None


def _go_first(wanted: Claim, group: Group, nodes: Sequence[Node], look: Look) -> ClaimAnswer:
    """Let the old node go before its successor comes, while enough others serve."""
    out = look.policy.surge
    limits = Limits(out=out, floor=look.policy.floor.of(look.undo.desired, out))
    if why := why_not_out(group, look.undo, look.claims, in_service(group, nodes), limits):
        return wait_for_instance(why, group, look)
    if any(item.out for item in look.claims) and lacking(group, look):
        return wait_for_instance("a node that went first has no successor yet", group, look)
    first = wanted.model_copy(update={"first": True, "decrement": False})
    if look.world.claims.go_first(first, sum(item.first for item in look.claims)):
        return _chosen(first, look.times)
    return wait("another node goes first at this moment", look)


def _succeed(mine: Claim, look: Look) -> ClaimAnswer:
    """The old node goes, or went, first: once it is gone, find its successor."""
    if not mine.out:
        return answer("filled", f"node {mine.node} came for {mine.old}", look.times, node=mine.node)
    claimed = {item.new for item in look.claims}
    group = look.world.groups.describe(look.run.group, partial(needs_no_look, look.undo, claimed))
    if group.instance(mine.old):
        return _chosen(mine, look.times)
    free = claimable(group, look.undo, [item.new for item in look.claims], "")
    nodes = look.world.cluster(look.run.cluster).nodes() if free else []
    found = with_newcomer(mine, free, nodes)
    if found and look.world.claims.fill(mine, found):
        return answer("filled", f"node {found.node} came for {mine.old}", look.times, node=found.node)
    if why := why_condemned(look.undo, look.policy, look.world):
        return answer("condemned", why, look.times)
    return wait_for_instance(f"{mine.old} is gone; {shortage(group, look.undo, len(free))}", group, look, chosen=True)


def _barred(look: Look) -> ClaimAnswer | None:
    """Say so where no further node of the run may be begun: never more, or not now, without a deadline running."""
    if why := why_condemned(look.undo, look.policy, look.world):
        return answer("condemned", why, look.times)
    wish = look.world.wishes.wish(look.run.id)
    if why := look.undo.stopped or why_cancelled(look.undo, wish, look.world):
        return answer("stopped", f"the run stopped: {why}", look.times)
    if halt := why_halted(look.undo, look.policy, wish, look.now, look.world):
        resting = look.times.resting or look.now
        return answer("waiting", halt.reason, look.times, wait_seconds=halt.seconds(look.now), resting=resting)
    return None


def _chosen(mine: Claim, times: Times) -> ClaimAnswer:
    """Which old instance the slot replaces; nothing of this changes any more."""
    known = {"instance": mine.old, "decrement": mine.decrement}
    if mine.first:
        return answer("taken", f"{mine.old} goes before its successor comes", times, **known)
    return answer("claimed", f"node {mine.node} is ready for what runs on {mine.old}", times, node=mine.node, **known)
