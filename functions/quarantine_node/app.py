"""Close a node whose root volume is to be replaced, and let that happen once its pods are gone; or keep it closed.

Auto Scaling tells nobody but the launch hook before it takes a running instance's root volume away: the pods on it
would die. The hook is never answered for a node that could not be emptied. Auto Scaling goes on by itself when it
lapses, so people are told while there is still time.

In:  {"run": {...}, "find": {"node", "instance", "hook"}, "drain"?: {"status", "reason"},
      "quarantine"?: <previous answer>, "now": "..."}
Out: {"status": "closed" | "continued" | "kept", "reason", "at", "wait_seconds"}
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from gpuops.adapters.bus import Bus
from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.domain.admission.answers import Found, Quarantined
from gpuops.domain.admission.event import Hook
from gpuops.domain.admission.node import ALIVE
from gpuops.domain.admission.pace import BEATS, beats
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Unhealthy
from gpuops.domain.keys import STARTUP_TAINT
from gpuops.domain.run import Run
from gpuops.entry import entry

RESTART_SECONDS = 60
"""A GPU instance does not boot faster."""


class Subject(Found):
    """A node that was found, with the hook that waits."""

    instance: str
    node: str
    hook: Hook


class Drain(BaseModel):
    """What drain_node said last."""

    status: Literal["drained", "draining", "overdue"]
    reason: str


class Request(BaseModel):
    """In."""

    run: Run
    find: Subject
    drain: Drain | None = None
    quarantine: Quarantined | None = None


def quarantine(request: Request, now: datetime, cluster: Cluster, instances: Instances, bus: Bus) -> Quarantined:
    """Close again at each pass: somebody may have opened the node meanwhile. But not once it may have restarted."""
    found, drain = request.find, request.drain
    node = cluster.node(found.node)
    if node is None or node.instance != found.instance:
        raise Unhealthy(f"node {found.node} went away before its root volume was replaced")
    if drain is not None and drain.status == "drained":
        return go_on(found, now, instances)
    close(node, now, cluster)
    if drain is not None and drain.status == "overdue":
        return keep(request, drain.reason, now, bus)
    beat, patience = (request.quarantine and request.quarantine.beat) or found.beat, found.hook.heartbeat_seconds
    if beats(beat, now, patience):
        if not instances.heartbeat(found.hook, found.instance):
            lapsed = f"hook {found.hook.name} waits no longer: the root volume of {found.node} is replaced as it is"
            return Quarantined(status="continued", reason=lapsed, at=now, wait_seconds=RESTART_SECONDS)
        beat = now
    pause = patience // BEATS if patience else RESTART_SECONDS
    return Quarantined(status="closed", reason=f"{node.name} takes no new pods", at=now, beat=beat, wait_seconds=pause)


def close(node: Node, now: datetime, cluster: Cluster) -> None:
    """Say why before it is closed, so that whoever finds it closed knows; the cordon is by us and for this instance."""
    cluster.quarantine(node, now)
    cluster.add_taint(node.name, STARTUP_TAINT)
    if not node.unschedulable:
        cluster.cordon(node, f"root-volume-{node.instance}")


def go_on(found: Subject, now: datetime, instances: Instances) -> Quarantined:
    """Answer the hook; one that was answered before, or lapsed, replaces the volume as well."""
    if not instances.complete(found.hook, found.instance, "CONTINUE"):
        lifecycle = instances.lifecycle(found.instance)
        if lifecycle not in ALIVE:
            raise Unhealthy(f"{found.instance} is {lifecycle or 'no longer in its group'}: its hook did not wait")
    reason = f"{found.node} is empty: its root volume is replaced"
    return Quarantined(status="continued", reason=reason, at=now, wait_seconds=RESTART_SECONDS)


def keep(request: Request, why: str, now: datetime, bus: Bus) -> Quarantined:
    """Leave the node closed and its hook unanswered, and tell people: nobody else can make its pods go."""
    run, found = request.run, request.find
    reason = f"{found.node} was not emptied for its new root volume: {why}"
    told = f"{reason}; Auto Scaling goes on when hook {found.hook.name} lapses"
    detail = {"cluster": run.cluster, "group": run.group, "instance": found.instance, "node": found.node}
    bus.put_escalation({**detail, "reason": told})
    return Quarantined(status="kept", reason=reason, at=now, wait_seconds=0)


@entry(Request)
def handler(request: Request, now: datetime) -> Quarantined:
    """Close the node that find_node found, or let its replacement go on."""
    cluster = Cluster.connect(request.run.cluster)
    return quarantine(request, now, cluster, Instances.from_env(), Bus.from_env())
