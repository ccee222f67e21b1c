"""Take the group for the whole run, and say whether its plan may begin now or rests first.

In:  {"run": {...}, "plan": {"status": "roll" | "wait", "reason", "until"?, ...}, "begin"?: <previous answer>, "now"}
Out: {"status": "go" | "wait", "reason", "since", "wait_seconds"}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.holders import take
from gpuops.adapters.world import World
from gpuops.domain.errors import Refused
from gpuops.domain.rotation.halt import Halt, decide_rest
from gpuops.domain.rotation.messages import Begun, RotationPlan
from gpuops.domain.rotation.waiting import rest_seconds
from gpuops.domain.run import Run
from gpuops.entry import entry


class BeginRotation(BaseModel):
    """A plan that rolls now or later."""

    run: Run
    plan: RotationPlan
    begin: Begun | None = None


@entry(BeginRotation)
def handler(request: BeginRotation, now: datetime) -> Begun:
    """Begin; a second call finds the group taken by itself."""
    return begin(request, now, World())


def begin(request: BeginRotation, now: datetime, world: World) -> Begun:
    """Raises: Conflict naming the run that has the group; Refused when this one was cancelled."""
    run = request.run
    take(world.store, world.executions, "rotation", run, now)
    wish = world.wishes.wish(run.id)
    if wish and wish.wish == "cancel":
        raise Refused(wish.said)
    rest = decide_rest(request.plan, wish, world.wishes.stop())
    world.store.mark_waiting(run, waits=rest is not None)
    if rest is None:
        return Begun(status="go", reason=request.plan.reason, since=now)
    return _rests(rest, request.begin, now)


def _rests(rest: Halt, before: Begun | None, now: datetime) -> Begun:
    """Wait on: what was waited already counts as long as the run waits at all."""
    since = before.since if before and before.status == "wait" else now
    return Begun(status="wait", reason=rest.reason, since=since, wait_seconds=rest_seconds(since, now, rest.until))
