"""Let an instance that proved itself into service, and lift its node's startup taint; or abandon the instance.

Only what is wrong with the instance abandons it. Where something of ours failed, it is held: into service, behind its
taint, until `reconcile` admits it. While a change of the group is open, Cluster Autoscaler is told to leave the node
alone: it would take a newcomer that waits for its first pod for one too many.

In:  {"verdict": "admit" | "abandon" | "hold" | "release", "event"?, "run"?, "find"?, "check"?, "smoke"?, "error"?}
Out: {"status": "admitted" | "abandoned" | "held" | "waiting" | "released", "reason", "wait_seconds"}
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from gpuops.adapters.bus import Bus
from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.adapters.store import Store
from gpuops.adapters.waiting import Waiting
from gpuops.domain.admission.answers import Admitted, Checked, Failure, Found, Smoked
from gpuops.domain.admission.event import Hook, launch_of, replaces_root
from gpuops.domain.admission.node import ALIVE
from gpuops.domain.admission.pace import poll_seconds
from gpuops.domain.admission.people import needs_people, whom
from gpuops.domain.cluster import Node
from gpuops.domain.faults.gpu import GpuRecord
from gpuops.domain.keys import STARTUP_TAINT_KEY
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.waking import wake


class Request(BaseModel):
    """In. After an early failure little of it is there."""

    verdict: Literal["admit", "abandon", "hold", "release"]
    event: Any = None
    run: Run | None = None
    find: Found | None = None
    check: Checked | None = None
    smoke: Smoked | None = None
    error: Failure | None = None


PODS_FIRST = "its hook is not answered, for its pods run on the volume that would be replaced"
Change = Callable[[], str | None]
"""Asks which run's change of the group is open at this moment."""


def admit(request: Request, now: datetime, cluster: Cluster, instances: Instances, change: Change) -> Admitted:
    """Admit, unless instance or node went away meanwhile.

    The hook is answered first: an open node takes work at once, and a hook that then lapses would kill it. Whoever dies
    in between leaves an instance in service behind its taint, which the next call, or `reconcile`, takes off.
    """
    found = request.find
    if request.verdict == "abandon" or found is None or found.instance is None or found.node is None:
        return abandon(request, instances)
    node = cluster.node(found.node)
    if node is None or node.instance != found.instance:
        return abandon(request, instances, f"node {found.node} went away before it was admitted")
    if lost := let_in(found.instance, found.hook, instances):
        return Admitted(status="abandoned", reason=lost)
    cluster.mark_admitted(node, now, request.smoke.seen if request.smoke else {})
    keep(node, cluster, change)
    reopen(node, cluster)
    return Admitted(status="admitted", reason=f"{node.name}: {request.smoke.reason if request.smoke else 'checked'}")


def let_in(instance: str, hook: Hook | None, instances: Instances) -> str | None:
    """Answer the hook with CONTINUE; return why the instance takes no work, or None when it may.

    A hook that no longer waits was continued, by us before, or abandoned: only the instance knows.
    """
    if hook is not None and instances.complete(hook, instance, "CONTINUE"):
        return None
    lifecycle = instances.lifecycle(instance)
    if lifecycle in ALIVE:
        return None
    return f"{instance} is {lifecycle or 'no longer in its group'}: its hook did not wait"


def keep(node: Node, cluster: Cluster, change: Change) -> None:
    """Look again afterwards: a change that closed in between had looked for its nodes already."""
    run = change()
    if run is None:
        return
    cluster.keep(node, run)
    if change() != run:
        cluster.let_go(node)


def reopen(node: Node, cluster: Cluster) -> None:
    """Lift what keeps work away, the taint last: it tells that the cordon, for a new root volume, is ours."""
    if node.pending and node.cordoned_by is not None:
        cluster.uncordon(node)
    if node.quarantined is not None:
        cluster.end_quarantine(node)
    cluster.remove_taint(node.name, STARTUP_TAINT_KEY)


Connect = Callable[[], Cluster]


def release(request: Request, now: datetime, instances: Instances, connect: Connect) -> Admitted:
    """Let in an instance that is not ours to judge. Its hook first: no cluster, or fault of one, is in its way.

    Who runs a group that is not ours ordered its new root volume; with an unreadable policy nothing is answered.
    A node that carries our startup taint loses it, for nobody else takes it off; it is not marked as admitted.
    """
    found = request.find
    if found is None or found.instance is None:
        return abandon(request, instances)
    if found.status == "unreadable" and replaces_root(request.event):
        return Admitted(status="held", reason=f"{found.reason}; {PODS_FIRST}")
    if (lost := let_in(found.instance, found.hook, instances)) or request.run is None:
        return Admitted(status="released", reason=lost or f"{found.reason}; a startup taint stays on its node")
    cluster = connect()
    node = cluster.node_of(found.instance)
    if node is None and found.deadline is not None and now < found.deadline:
        pause = poll_seconds(found.instance, found.since or now, now, found.deadline)
        why = f"{found.reason}; {found.instance} has registered no node yet"
        return Admitted(status="waiting", reason=why, wait_seconds=pause)
    if node is None:
        return Admitted(status="released", reason=f"{found.reason}; {found.instance} has registered no node")
    cluster.remove_taint(node.name, STARTUP_TAINT_KEY)
    lifted = "its startup taint is lifted" if node.pending else "it has no startup taint"
    return Admitted(status="released", reason=f"{node.name}: {found.reason}; {lifted}")


def abandon(request: Request, instances: Instances, why: str = "") -> Admitted:
    """Let Auto Scaling replace the instance; it stays without a hook, or while pods run on a volume to be replaced."""
    found, steps = request.find, (request.error, request.smoke, request.check, request.find)
    why = why or next((step.reason for step in steps if step is not None), "no reason given")
    if found is None or found.hook is None or found.instance is None:
        return Admitted(status="abandoned", reason=f"{why}; no hook to answer: the startup taint stays")
    if replaces_root(request.event):
        return Admitted(status="held", reason=f"{why}; {PODS_FIRST}")
    answered = instances.complete(found.hook, found.instance, "ABANDON")
    return Admitted(status="abandoned", reason=why if answered else f"{why}; its hook was answered before")


def hold(request: Request, instances: Instances) -> Admitted:
    """Let it into service behind its taint: replacing instances would not mend what failed.

    The hook of a running instance that is to get a new root volume is not answered: its pods would die.
    """
    why = request.error.reason if request.error else "no reason given"
    found = request.find or launch_of(request.event)
    if found is None or found.hook is None or found.instance is None or replaces_root(request.event):
        return Admitted(status="held", reason=why)
    lost = let_in(found.instance, found.hook, instances)
    return Admitted(status="held", reason=f"{why}; {lost or 'held behind its startup taint until reconcile admits it'}")


def refuse(request: Request, known: Sequence[GpuRecord], instances: Instances, bus: Bus) -> Admitted:
    """Abandon an instance that brings a GPU back which is known to be bad, and tell people: AWS has to take it out."""
    why = "it has a GPU that is remembered as faulty: " + ", ".join(gpu.title for gpu in known)
    bus.put_escalation(whom(request.event, request.run, request.find, why))
    return abandon(request, instances, why)


def call_people(answer: Admitted, request: Request, bus: Bus) -> Admitted:
    """Escalate what nobody else ends."""
    if needs_people(answer, request.event, request.find):
        bus.put_escalation(whom(request.event, request.run, request.find, answer.reason))
    return answer


def tell(answer: Admitted, request: Request, store: Store) -> Admitted:
    """Let the roll that waits for this newcomer know why it is none."""
    what = {"abandoned": "was abandoned", "held": "is held back", "released": "was let in unjudged"}.get(answer.status)
    if what and request.run is not None and request.find is not None:
        failed = request.find.instance if answer.status == "abandoned" else None
        store.tell_abandoned(request.run.group, f"{request.find.instance} {what}: {answer.reason}", failed)
    return answer


@entry(Request)
def handler(request: Request, now: datetime) -> Admitted:
    """Act on the verdict of the steps before. An abandoned instance needs no cluster: that may be what failed."""
    instances, store, bus, run = Instances.from_env(), Store.from_env(), Bus.from_env(), request.run
    if request.verdict == "hold":
        return tell(call_people(hold(request, instances), request, bus), request, store)
    if request.verdict == "release":
        answer = release(request, now, instances, lambda: Cluster.connect(run.cluster if run else ""))
        return tell(call_people(answer, request, bus), request, store)
    if request.verdict == "abandon" or run is None:
        return tell(call_people(abandon(request, instances), request, bus), request, store)
    if known := Memory.from_env().faulty_gpus(request.smoke.uuids if request.smoke else ()):
        return tell(refuse(request, known, instances, bus), request, store)

    def change() -> str | None:
        undo = store.undo(run.group)
        return undo.run.id if undo else None

    answer = admit(request, now, Cluster.connect(run.cluster), instances, change)
    return wake(tell(answer, request, store), run, Waiting.from_env())
