"""Repair what diagnose_fault named, one look at a time; the state machine does the waiting.

In:  {"run": {...}, "event", "isolate", "diagnose", "repair"?: <previous answer>, "now"}
Out: {"status": "repaired" | "repairing" | "waiting" | "failed" | "restarted" | "recorded", "reason", "since"?,
      "mark", "wait_seconds"}
"""

from datetime import datetime

from gpuops.adapters.halting import why_held
from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.answers import Repair, Repaired
from gpuops.entry import entry
from gpuops.repair.mine import check_mine
from gpuops.repair.reboot import reboot
from gpuops.repair.reset import reset
from gpuops.repair.restart import restart


@entry(Repair)
def handler(request: Repair, now: datetime) -> Repaired:
    """Repair; a second call finds how far the first one came."""
    return repair(request, now, World())


def repair(request: Repair, now: datetime, world: World) -> Repaired:
    """Nothing is begun while a person holds it; what was begun is finished, so that nothing stays taken apart.

    Raises: Refused when a person cancelled it before it began; Conflict when the node is not this run's any more.
    """
    action = request.diagnose.action if request.diagnose else None
    if request.repair is None or request.repair.status == "waiting":
        if halt := why_held(request.run, world):
            return Repaired(status="waiting", reason=halt.reason, wait_seconds=halt.seconds(now))
        if action in {"reset", "reboot"}:
            check_mine(
                request.run, request.instance, world.cluster(request.run.cluster).node(request.isolate.node or "")
            )
        request = request.model_copy(update={"repair": None})
    if action == "relieve":
        return Repaired(status="repaired", reason="its load has moved away")
    if action == "restart_pod":
        return restart(request, world)
    if action == "reset":
        return reset(request, now, world)
    if action == "reboot":
        return reboot(request, now, world)
    raise Invalid(f"repair_gpu: {action} is nothing that it does")
