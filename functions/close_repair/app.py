"""End a repair: lift our own quarantine from a node that is well, keep it on one that is not, and call people for that.

In:  {"run": {...}, "event", "isolate", "diagnose"?, "open"?, "replace"?, "error"?, "now"}
Out: {"status": "repaired" | "returned" | "recorded" | "observed" | "gone" | "kept", "reason"}
"""

from datetime import datetime

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.faults.actions import words_of
from gpuops.domain.faults.answers import Closed, Repair
from gpuops.entry import entry


@entry(Repair)
def handler(request: Repair, now: datetime) -> Closed:  # noqa: ARG001 - what is to be done was decided before
    """Close; a second call finds nothing of the run any more, and says the same."""
    return close_repair(request, World())


def close_repair(request: Repair, world: World) -> Closed:
    """Raises: Unavailable, Refused, Invalid from the adapters."""
    world.budgets.give_all_back(request.run.execution)
    node = world.cluster(request.run.cluster).node(request.isolate.node or "")
    if node is not None and node.instance != request.instance:
        node = None
    verdict = judge(request, node)
    if verdict.status == "kept":
        world.bus.put_escalation(escalation(request, verdict.reason))
    return verdict


def judge(request: Repair, node: Node | None) -> Closed:
    """What became of the node."""
    told = request.diagnose.reason if request.diagnose else ""
    if request.isolate.status == "observed":
        wish = request.diagnose.action if request.diagnose else "nothing"
        return Closed(status="observed", reason=f"{request.isolate.reason}: {wish} would be right, because {told}")
    if request.replace is not None:
        return Closed(status="repaired", reason=f"{request.isolate.node} was replaced: {told}")
    if node is None:
        return Closed(status="gone", reason=f"{request.isolate.node} is gone")
    if request.isolate.status == "open":
        return Closed(status="recorded", reason=told)
    return Closed(status="kept", reason=f"{node.name} stays in quarantine: {why_kept(request)}")


def why_kept(request: Repair) -> str:
    """Why it needs a person."""
    if request.error is not None:
        return f"{request.error.name}: {request.error.reason}"
    if request.open is not None and request.open.status == "overdue":
        return request.open.reason
    return request.diagnose.reason if request.diagnose else "nothing was decided"


def escalation(request: Repair, why: str) -> dict[str, str]:
    """What people are told."""
    run = request.run
    where = {"cluster": run.cluster, "group": run.group, "instance": request.instance}
    return {**where, "node": request.isolate.node or "", "reason": f"{words_of(request.fault)}; {why}"}
