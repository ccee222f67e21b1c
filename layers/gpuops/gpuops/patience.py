"""How a claim waits: for its turn, for an instance, for capacity; and when it gives up.

Whoever gives up stops the run: the slots after it would wait as long for the same missing node.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gpuops.adapters.world import World
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.capacity import CAPACITY_HELD, decide_scarcity, has_empty_place, why_scarce
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.claiming import Times
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.messages import ClaimAnswer, ClaimStatus
from gpuops.domain.rotation.newcomers import claim_seconds, is_told, next_due
from gpuops.domain.rotation.strategy import IN_PLACE
from gpuops.domain.run import Run
from gpuops.entry import measure

LEAVING = timedelta(minutes=60)
"""For old instances on their way out; Auto Scaling's own default for a termination hook is as long."""
SETTLED = timedelta(minutes=5)
"""How long a place must stay empty before that means something: Auto Scaling tries zone by zone, and again."""


@dataclass(frozen=True)
class Look:
    """What one call sees."""

    run: Run
    now: datetime
    world: World
    undo: Undo
    policy: GroupPolicy
    claims: Sequence[Claim]
    times: Times


def begin(slot: str, now: datetime, policy: GroupPolicy) -> Times:
    """Return the clock of a wait that begins now."""
    return Times(slot=slot, started=now, deadline=now + timedelta(minutes=policy.claim_deadline_minutes))


def wait_for_instance(reason: str, group: Group, look: Look, *, chosen: bool = False) -> ClaimAnswer:
    """Wait for an instance; where none can be had, as the policy says. One that comes after all gets all the patience.

    `chosen`: the slot's old instance is gone already.
    """
    scarce, times = lacking(group, look), look.times
    if scarce is None:
        fresh = begin(times.slot, look.now, look.policy) if times.lacking else times
        return wait(reason, replace(look, times=fresh), group)
    since = times.lacking or look.now
    look = replace(look, times=times.model_copy(update={"lacking": since}))
    step = decide_scarcity(look.policy, look.undo, chosen=chosen)
    if step == "fail" or look.now < since + SETTLED:
        return wait(f"{reason}; {scarce}", look, group)
    if step == "hold":
        return _hold(since, f"held for want of capacity: {scarce}; {reason}", look)
    look.world.store.fall_back(look.run, IN_PLACE if look.undo.may_stay else "terminate_first")
    way = "instances stay and get another root volume" if look.undo.may_stay else "old nodes go first"
    return answer("waiting", f"{scarce}: from now on {way}", times, wait_seconds=1)


def wait_for_terminations(reason: str, look: Look) -> ClaimAnswer:
    """Wait for old instances on their way out, an hour at least: that is not the newcomer's fault."""
    patient = max(look.times.deadline, look.times.started + LEAVING)
    return wait(reason, replace(look, times=look.times.model_copy(update={"deadline": patient})))


def lacking(group: Group, look: Look) -> str | None:
    """Return what Auto Scaling lacks for a place that is empty; None where none is, or nobody knows why."""
    if not has_empty_place(group, look.undo, look.claims):
        return None
    since = (look.times.lacking or look.now) - SETTLED
    return why_scarce(look.world.groups.last_failure(look.undo.receiver, since))


def _hold(since: datetime, told: str, look: Look) -> ClaimAnswer:
    """Wait for capacity, and call people once; the alarm stays on for as long as it lasts."""
    until = since + timedelta(hours=look.policy.capacity_wait_hours)
    measure(CAPACITY_HELD, int(look.now < until))
    if look.now < until and look.world.store.hold(look.run, told):
        detail = {"cluster": look.run.cluster, "group": look.run.group, "instance": "", "node": ""}
        look.world.bus.put_escalation({**detail, "reason": f"the roll by run {look.run.id} is {told}"})
    return wait(told, replace(look, times=look.times.model_copy(update={"deadline": until})))


def wait(reason: str, look: Look, group: Group | None = None) -> ClaimAnswer:
    """Wait until the deadline; then stop the run. `group` where a newcomer is waited for, whose time may be known."""
    times = look.times
    if look.now < times.deadline:
        due = next_due(group, look.undo, look.claims, times.slot, times.started) if group else times.started
        told = group is not None and is_told(look.undo)
        pause = claim_seconds(due, times.started, look.now, times.deadline, told=told)
        return answer("waiting", reason, times, wait_seconds=pause)
    why = f"{reason} until {times.deadline.isoformat()}{_why(look)}"
    look.world.store.stop(look.run, why)
    return answer("overdue", why, times)


def answer(status: ClaimStatus, reason: str, times: Times, **more: Any) -> ClaimAnswer:
    """Return the answer, with the clock that the next call goes on from."""
    return ClaimAnswer(**{**times.model_dump(exclude={"resting"}), **more, "status": status, "reason": reason})


def _why(look: Look) -> str:
    """What became of the newcomers: in our own words if we turned them away, else in Auto Scaling's."""
    why = look.undo.abandoned or look.world.groups.last_failure(look.undo.receiver, look.undo.at)
    return f"; {why}" if why else ""
