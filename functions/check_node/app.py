"""Check that a new node is Ready and offers every GPU of its instance, replicas counted.

In:  {"run": {...}, "find": {"node", "instance", "hook", "deadline"}, "configure": {"replicas"}, "now": "..."}
Out: {"status": "ready" | "waiting" | "overdue", "reason", "gpus", "allocatable"}
"""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.instances import Instances
from gpuops.domain.admission.answers import Checked, Configured, Found
from gpuops.domain.admission.node import decide_check
from gpuops.domain.errors import Invalid
from gpuops.domain.run import Run
from gpuops.entry import entry


class Subject(Found):
    """A node that was found: what may be missing in other answers is there."""

    instance: str
    node: str
    deadline: AwareDatetime


class Request(BaseModel):
    """In."""

    run: Run
    find: Subject
    configure: Configured


def check(request: Request, now: datetime, cluster: Cluster, instances: Instances) -> Checked:
    """Compare what the node offers with what its instance type has."""
    found = request.find
    gpus = instances.gpus(found.instance)
    if gpus == 0:
        raise Invalid(f"group {request.run.group}: {found.instance} is of a type without NVIDIA GPUs")
    node = cluster.node(found.node)
    decision = decide_check(node, gpus, request.configure.replicas, found.deadline, now)
    if found.hook is not None and decision.status != "overdue":
        instances.heartbeat(found.hook, found.instance)
    allocatable = node.gpus if node else 0
    return Checked(status=decision.status, reason=decision.reason, gpus=gpus, allocatable=allocatable)


@entry(Request)
def handler(request: Request, now: datetime) -> Checked:
    """Check the node that find_node found."""
    return check(request, now, Cluster.connect(request.run.cluster), Instances.from_env())
