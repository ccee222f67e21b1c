"""Check that a new node is Ready and offers every GPU of its instance, replicas counted.

In:  {"run": {...}, "find": {"node", "instance", "hook", "deadline"}, "configure": {"status", "replicas", "resource"},
      "check"?: <previous answer>, "apply"?: {...}, "now": "..."}
Out: {"status": "ready" | "waiting" | "unconfigured" | "overdue", "reason", "gpus", "allocatable", "replicas",
      "resource", "unready_since", "wait_seconds"}
"""

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.adapters.memory import Memory
from gpuops.domain.admission.answers import Checked, Configured, Found
from gpuops.domain.admission.event import Hook
from gpuops.domain.admission.node import decide_check
from gpuops.domain.admission.pace import GPUS, LONGEST, SHORTEST, beats, boot_seen, in_time, poll_seconds
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid
from gpuops.domain.run import Run
from gpuops.domain.slicing.shape import Shape
from gpuops.entry import entry


class Subject(Found):
    """A node that was found: what may be missing in other answers is there."""

    instance: str
    node: str
    deadline: AwareDatetime

    @property
    def heartbeat(self) -> int | None:
        """The timeout of the hook that waits; None without one, or where it is not known."""
        return self.hook.heartbeat_seconds if self.hook else None


class Request(BaseModel):
    """In."""

    run: Run
    find: Subject
    configure: Configured
    check: Checked | None = None
    apply: dict[str, Any] | None = None
    """Whatever apply_config said, if it was asked."""

    @property
    def before(self) -> Checked | None:
        """The last look at the node, if there was one."""
        return None if self.check is None or self.check.status == "unconfigured" else self.check


def check(request: Request, now: datetime, cluster: Cluster, instances: Instances, *, memory: Memory) -> Checked:
    """Compare what the node offers with what its instance type has."""
    found, before = request.find, request.before
    if request.configure.status == "unconfigured" and request.apply is None:
        return Checked(status="unconfigured", reason=request.configure.reason, gpus=0, allocatable=0)
    gpus = before.gpus if before else instances.gpus(found.instance)
    if gpus == 0:
        raise Invalid(f"group {request.run.group}: {found.instance} is of a type without NVIDIA GPUs")
    node = cluster.node(found.node)
    decision = decide_check(node, gpus, wanted(request.configure), found.deadline, now)
    beat = (before and before.beat) or found.beat
    if found.hook is not None and keeps_waiting(found.hook, decision.status, beat, now):
        instances.heartbeat(found.hook, found.instance)
        beat = now
    if node is not None and decision.status == "ready":
        remember(node, request, memory)
    return Checked(
        status=decision.status,
        reason=decision.reason,
        gpus=gpus,
        allocatable=node.offers(decision.shape.resource) if node else 0,
        unready_since=node.turned if node and not node.ready else None,
        replicas=decision.shape.replicas,
        resource=decision.shape.resource,
        beat=beat,
        wait_seconds=pause(found, node, now, first=before is None),
    )


def wanted(configured: Configured) -> Shape | None:
    """What the configuration makes of each GPU; None where none of ours does anything."""
    return None if configured.status == "left" else Shape(configured.replicas, configured.resource)


def keeps_waiting(hook: Hook, status: str, beat: datetime | None, now: datetime) -> bool:
    """Whether the hook needs a heartbeat: before the smoke in any case, which sends none."""
    return status == "ready" or (status == "waiting" and beats(beat, now, hook.heartbeat_seconds))


def pause(found: Subject, node: Node | None, now: datetime, *, first: bool) -> int:
    """Seconds before the next look: when it should be complete; later soon after the first one, then more seldom."""
    ready = ready_by(node, found.settling) if node else None
    if ready is not None and ready + GPUS > now:
        return in_time(ready + GPUS - now, now, found.deadline, found.heartbeat)
    since = now if first else found.since or now
    shortest = GPUS if first else SHORTEST
    return poll_seconds(found.instance, since, now, found.deadline, found.heartbeat, shortest=shortest)


def ready_by(node: Node, settling: int | None) -> datetime | None:
    """When the node got Ready, or usually would; None where nobody knows."""
    if node.ready or node.turned is None:
        return node.turned
    return None if settling is None else node.turned + min(timedelta(seconds=settling), LONGEST)


def remember(node: Node, request: Request, memory: Memory) -> None:
    """Keep how long a launched node took until it was Ready: the next one of its group is looked for then."""
    found, before, group = request.find, request.before, request.run.group
    if not found.boots or found.since is None or node.turned is None:
        return
    booted = node.turned - found.since
    if booted <= timedelta():
        return  # Ready before its event came: a late one, or a machine from a running warm pool
    settled = node.turned - before.unready_since if before and before.unready_since else None
    memory.keep_boots(group, boot_seen(memory.boots(group), found.instance, booted, settled, found.heartbeat))


@entry(Request)
def handler(request: Request, now: datetime) -> Checked:
    """Check the node that find_node found."""
    cluster = Cluster.connect(request.run.cluster)
    return check(request, now, cluster, Instances.from_env(), memory=Memory.from_env())
