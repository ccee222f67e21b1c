"""Count new instances that were abandoned in a row; suspend the group's Launch at the limit, and resume it later.

Auto Scaling replaces an abandoned instance at once, for ever: a broken AMI or a bad rack would cost GPU instances
through the night. What an operator suspended is never resumed: the breaker's item says whether it was us.

In:  {"run": {...}, "find": {"instance", "hook"}, "admit": {"status", "reason"}, "now": "..."} after an admission;
     {"group": "...", "now": "..."} from reconcile, once the pause is over
Out: {"status": "closed" | "counted" | "open" | "resumed", "reason", "failures"}
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.admission.answers import Admitted, Found
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.breaker import LAUNCH_SUSPENDED, Breaker, opens
from gpuops.domain.rotation.gates import LAUNCH
from gpuops.domain.run import Run
from gpuops.entry import entry, measure

CERTAIN = timedelta(hours=1)
"""Whoever noted a suspension has suspended Launch by then, or died before: no function is retried for so long."""


class Request(BaseModel):
    """In: the end of an admission, or the group whose pause is over."""

    run: Run | None = None
    find: Found | None = None
    admit: Admitted | None = None
    group: str | None = None


class Guarded(BaseModel):
    """Out."""

    status: Literal["closed", "counted", "open", "resumed"]
    reason: str
    failures: int = 0


def guard(request: Request, now: datetime, world: World) -> Guarded:
    """A success forgets what failed before it; an abandoned instance whose hook waited counts against its group.

    Without a hook Auto Scaling keeps the instance, so nothing is launched in its place.
    """
    run, found, admit = request.run, request.find, request.admit
    if request.group is not None:
        return resume(request.group, now, world)
    if admit is None:
        raise Invalid("guard_launch: expected a group, or run, find and admit")
    if run is None or found is None:
        return Guarded(status="closed", reason=f"{admit.status} before anything was found: nothing to count")
    if admit.status == "admitted" and world.memory.forget_failures("launch", run.group):
        return Guarded(status="closed", reason="the group's launches are sound")
    if admit.status != "abandoned" or found.hook is None:
        return Guarded(status="closed", reason=f"{admit.status}: nothing to count")
    breaker = world.memory.count_failure("launch", run.group, now, admit.reason, of=found.instance or run.id)
    limit = world.policies.at(run.policy).group(run.group).admission.abandon_limit
    if opens(breaker, limit):
        ours = LAUNCH not in world.groups.describe(run.group).suspended
        breaker = world.memory.open_breaker(breaker, now, run.id, suspended=ours)
    if breaker.opened_by == run.id:
        return suspend(breaker, run, found, world)
    return Guarded(status="counted", reason=f"{breaker.failures} of {limit} in a row", failures=breaker.failures)


def suspend(breaker: Breaker, run: Run, found: Found, world: World) -> Guarded:
    """Stop the launches and tell people; both again when this is repeated, since the first time may have got lost."""
    if breaker.suspended:
        world.groups.suspend(run.group, [LAUNCH])
        measure(LAUNCH_SUSPENDED, 1)
    what = "Launch is suspended" if breaker.suspended else "Launch was suspended by somebody else before"
    reason = f"{breaker.failures} new instances in a row were abandoned, the last one: {breaker.why}; {what}"
    detail = {"cluster": run.cluster, "group": run.group, "instance": found.instance, "node": found.node}
    world.bus.put_escalation({**detail, "reason": reason})
    return Guarded(status="open", reason=reason, failures=breaker.failures)


def resume(group: str, now: datetime, world: World) -> Guarded:
    """Let the group launch again: half-open, or for good where an operator closed the breaker."""
    breaker = world.memory.breaker("launch", group)
    if breaker is None or not breaker.suspended:
        world.memory.forget_suspension(group, now - CERTAIN)
        return Guarded(status="closed", reason=f"Launch of {group} is not suspended by us")
    try:
        world.groups.resume(group, [LAUNCH])
        reason = f"Launch of {group} is resumed"
    except Invalid as gone:
        reason = f"nothing to resume: {gone}"
    world.memory.resumed(breaker)
    return Guarded(status="resumed", reason=reason, failures=breaker.failures)


@entry(Request)
def handler(request: Request, now: datetime) -> Guarded:
    """Guard the group of an admission that has just ended, or let a group go on."""
    return guard(request, now, World())
