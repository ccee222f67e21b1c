"""End a repair: lift our own quarantine from a node that is well; keep it on one that is not, and call people.

In:  {"run": {...}, "event", "isolate", "diagnose"?, "open"?, "drain"?, "repair"?, "replace"?, "smoke"?, "error"?,
      "now"}
Out: {"status": "repaired" | "restarted" | "evacuated" | "recorded" | "observed" | "gone" | "released" | "kept",
      "reason"}
"""

from datetime import datetime
from typing import Literal

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.faults.answers import Closed, Repair
from gpuops.domain.faults.attempts import attempt_of
from gpuops.domain.faults.diagnose import words_of
from gpuops.entry import entry


@entry(Repair)
def handler(request: Repair, now: datetime) -> Closed:
    """Close; a second call finds nothing of the run any more, and says the same."""
    return close_repair(request, now, World())


def close_repair(request: Repair, now: datetime, world: World) -> Closed:
    """Raises: Unavailable, Refused, Invalid from the adapters."""
    world.budgets.give_all_back(request.run.execution)
    cluster = world.cluster(request.run.cluster)
    node = cluster.node(request.isolate.node or "")
    if node is not None and node.instance != request.instance:
        node = None
    verdict = judge(request, node)
    if node is not None:
        tidy(node, verdict, request.run.id, cluster)
    remember(request, verdict, now, world)
    if verdict.status == "kept":
        world.bus.put_escalation(escalation(request, verdict.reason))
    if node is not None and node.isolated_by == request.run.id and verdict.status != "repaired":
        cluster.settle_isolation(node, now)
    return verdict


def judge(request: Repair, node: Node | None) -> Closed:
    """What became of the node."""
    told, name = request.why, request.isolate.node
    if request.isolate.status == "observed":
        wish = request.diagnose.action if request.diagnose else "nothing"
        return Closed(status="observed", reason=f"{request.isolate.reason}: {wish} would be right, because {told}")
    if request.replace is not None:
        return Closed(status="repaired", reason=f"{name} was replaced: {told}")
    if request.evacuated or node is None or request.taken or request.released or is_not_ours(request, node):
        return left(request, node)
    if request.smoke is not None and request.error is None:
        done = request.repair.reason if request.repair else request.open.reason if request.open else ""
        return Closed(status="repaired", reason=f"{name} is proved and open again: {done}; {told}")
    if request.isolate.status == "open" and request.error is None:
        return opened(request, told)
    return Closed(status="kept", reason=f"{name} {state_of(request)}: {why_kept(request)}")


def left(request: Repair, node: Node | None) -> Closed:
    """Of an instance that AWS takes, in time or not, and of one that somebody else has."""
    if request.evacuated:
        return Closed(status="evacuated", reason=f"{request.isolate.node} was emptied in time: {request.why}")
    if request.released and request.open is not None:
        return Closed(status="released", reason=f"{request.open.reason}; {request.why}")
    if node is not None and is_anothers(request, node):
        return Closed(status="gone", reason=f"{node.name} is left to run {node.isolated_by}: {request.why}")
    if node is not None and node.isolated_by is None:
        return Closed(status="released", reason=f"{node.name} was opened meanwhile: {request.why}")
    return Closed(status="gone", reason=f"{request.isolate.node} is gone")


def is_not_ours(request: Repair, node: Node) -> bool:
    """Whether our node was taken over while its repair went on: whatever we proved, another run opens it.

    Or whether it was lost before our next step, to another run or to whoever opened it: that step says Conflict.
    """
    if request.isolate.status != "closed":
        return False
    lost = request.error is not None and request.error.name == "Conflict" and node.isolated_by is None
    return lost or (is_anothers(request, node) and (request.error is None or request.error.name == "Conflict"))


def is_anothers(request: Repair, node: Node) -> bool:
    """Whether the node is closed for another run."""
    return node.isolated_by not in {None, request.run.id}


def opened(request: Repair, told: str) -> Closed:
    """Of a fault that is an application's: its pod was restarted, or the fault was written down."""
    if request.repair is None:
        return Closed(status="recorded", reason=told)
    status: Literal["restarted", "recorded"] = "restarted" if request.repair.status == "restarted" else "recorded"
    return Closed(status=status, reason=f"{request.repair.reason}; {told}")


def state_of(request: Repair) -> str:
    """What people find."""
    return "stays in quarantine" if request.isolate.status == "closed" else "is left as it is"


def tidy(node: Node, verdict: Closed, run_id: str, cluster: Cluster) -> None:
    """Take back what a reset changed, and the quarantine of a node that is well: our own, and nobody else's."""
    if not node.isolated_by or node.isolated_by == run_id:
        cluster.end_reset(node)
    if verdict.status == "repaired" and node.isolated_by == run_id:
        cluster.end_isolation(node)


HOT = ("thermal", "power")
"""Kinds of faults for which the machine stops the growth of shares."""


def remember(request: Repair, verdict: Closed, now: datetime, world: World) -> None:
    """What closed nothing, for thresholds; a board that was replaced, which EC2 hands out again; heat that is gone."""
    if verdict.status in {"restarted", "recorded"} and request.diagnose:
        attempt = attempt_of(request.fault, request.diagnose.action, request.run.id, now, request.diagnose.job)
        world.attempts.note(attempt, request.instance, request.fault.uuid)
    if request.fault.kind in HOT and verdict.status in {"repaired", "gone", "released"}:
        world.pools.thaw(request.run.group, request.instance)
    if request.replace is not None and request.fault.uuid:
        fault = words_of(request.fault)
        world.memory.remember_gpu(request.fault.uuid, fault, request.instance, request.isolate.node or "", now)


def why_kept(request: Repair) -> str:
    """Why it needs a person."""
    if request.error is not None:
        return f"{request.error.name}: {request.error.reason}"
    if request.open is not None and request.open.status == "overdue":
        return request.open.reason
    if request.drain is not None and request.drain.get("status") == "overdue":
        return str(request.drain.get("reason"))
    return request.diagnose.reason if request.diagnose else "nothing was decided"


def escalation(request: Repair, why: str) -> dict[str, str]:
    """What people are told."""
    run = request.run
    where = {"cluster": run.cluster, "group": run.group, "instance": request.instance}
    return {**where, "node": request.isolate.node or "", "reason": f"{words_of(request.fault)}; {why}"}
