"""Take the group for the whole run, and say whether its plan may begin now, rests, or asks a person first.

In:  {"run": {...}, "plan": {"status": "roll" | "wait", "reason", "until"?, ...}, "approval"?: {...}, "now"}
Out: {"status": "go" | "wait" | "ask", "reason", "wait_seconds", "expires", "expires_seconds"}
"""

from datetime import datetime, timedelta

from pydantic import BaseModel

from gpuops.adapters.halting import why_held
from gpuops.adapters.holders import take
from gpuops.adapters.world import World
from gpuops.domain.rotation.approval import Approved
from gpuops.domain.rotation.messages import Begun, RotationPlan
from gpuops.domain.rotation.plan import halt_of_plan
from gpuops.domain.run import Run
from gpuops.entry import entry


class BeginRotation(BaseModel):
    """A plan that rolls now or later."""

    run: Run
    plan: RotationPlan
    approval: Approved | None = None


@entry(BeginRotation)
def handler(request: BeginRotation, now: datetime) -> Begun:
    """Begin; a second call finds the group taken by itself."""
    return begin(request, now, World())


def begin(request: BeginRotation, now: datetime, world: World) -> Begun:
    """Raises: Conflict naming the run that has the group; Refused when this one was cancelled."""
    run = request.run
    take(world.store, world.executions, "rotation", run, now)
    rest = why_held(run, world)
    answer = None if rest else _asks(request, now, world)
    rest = rest or halt_of_plan(request.plan, now)
    if answer is None and rest:
        answer = Begun(status="wait", reason=rest.reason, wait_seconds=rest.seconds(now))
    world.store.mark_waiting(run, waits=answer is not None)
    return answer or Begun(status="go", reason=request.plan.reason)


def _asks(request: BeginRotation, now: datetime, world: World) -> Begun | None:
    """Ask as soon as nothing but the clock can change the plan, so that it may be approved before its window."""
    policy = world.policies.at(request.run.policy).group(request.run.group).approval
    if not policy.required or request.approval or not request.plan.settled:
        return None
    patience = timedelta(hours=policy.expires_hours)
    return Begun(
        status="ask",
        reason=f"asks for an approval: {request.plan.reason}",
        expires=now + patience,
        expires_seconds=round(patience.total_seconds()),
    )
