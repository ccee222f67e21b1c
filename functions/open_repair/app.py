"""Take a slot of the fleet's budget for a node in quarantine, before anything that runs on it is disturbed.

What is going to be tried is written down first: a repair that dies half-way was one, too.

In:  {"run": {...}, "event", "isolate", "diagnose", "open"?: <previous answer>, "now"}
Out: {"status": "clear" | "waiting" | "overdue" | "gone", "reason", "since", "wait_seconds"}
"""

from datetime import datetime, timedelta

from gpuops.adapters.world import World
from gpuops.domain.faults.answers import Opened, Repair
from gpuops.domain.faults.attempts import attempt_of
from gpuops.domain.rotation.halt import halt_of_stop
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.entry import entry
from gpuops.slots import take_slots

PATIENCE = timedelta(hours=24)
"""How long a node in quarantine waits for its turn before a person hears of it."""


@entry(Repair)
def handler(request: Repair, now: datetime) -> Opened:
    """Take the slot; a second call finds the first one's."""
    return open_repair(request, now, World())


def open_repair(request: Repair, now: datetime, world: World) -> Opened:
    """Raises: Unavailable, Refused, Invalid from the adapters."""
    run = request.run
    before = request.open or Opened(status="waiting", reason="", since=now)
    if halt := halt_of_stop(world.wishes.stop()):
        return before.model_copy(update={"reason": halt.reason, "wait_seconds": halt.seconds(now)})
    if world.groups.describe(run.group, lambda _: True).instance(request.instance) is None:
        return before.model_copy(update={"status": "gone", "reason": f"{request.instance} is on its way out"})
    why = take_slots(run, [request.instance], world.policies.at(run.policy), world)
    if why is None:
        if request.diagnose is not None:
            attempt = attempt_of(request.fault, request.diagnose.action, run.id, now)
            world.attempts.note(attempt, request.instance, request.fault.uuid)
        return before.model_copy(update={"status": "clear", "reason": f"{request.instance} may leave service"})
    if now >= before.since + PATIENCE:
        return before.model_copy(update={"status": "overdue", "reason": why})
    pause = wait_seconds(before.since, now, before.since + PATIENCE)
    return before.model_copy(update={"status": "waiting", "reason": why, "wait_seconds": pause})
