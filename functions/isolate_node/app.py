"""Find the node of a fault and close it, before anything that takes time: cordon, taint, and the reason beside them.

What the table holds for an application's own mistake closes nothing, until diagnose_fault says that it is none after
all. A node of no group of the policy is not ours.

In:  {"event": {"fault": <GpuFault>}, "execution": {"id", "name", "machine"}, "run"?, "diagnose"?, "now"}
Out: {"status": "closed" | "open" | "observed" | "waiting" | "gone" | "ignored" | "owned", "reason", "run", "node",
      "instance", "since", "wait_seconds"}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.halting import why_held
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.faults.actions import closes
from gpuops.domain.faults.answers import Diagnosed, Isolated, Order, run_of
from gpuops.domain.faults.diagnose import first_word, name_of, words_of
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.policy import GroupPolicy, Policy
from gpuops.domain.run import Execution, Run
from gpuops.entry import entry


class Request(BaseModel):
    """In."""

    event: Order
    execution: Execution
    run: Run | None = None
    diagnose: Diagnosed | None = None


@entry(Request)
def handler(request: Request, now: datetime) -> Isolated:
    """Close the node; a second call finds it closed."""
    return isolate(request, now, World())


def isolate(request: Request, now: datetime, world: World) -> Isolated:
    """Raises: Unavailable, Refused, Invalid from the adapters."""
    fault = request.event.fault
    policy = world.policies.at(request.run.policy) if request.run else world.policies.latest()
    name = cluster_of(fault, policy)
    if name is None:
        return Isolated(status="ignored", reason=f"cluster {fault.cluster or '(none named)'} is not in the policy")
    cluster = world.cluster(name)
    node = find(fault, cluster)
    if node is None:
        return Isolated(status="gone", reason=f"{name} has no node {fault.node or fault.instance or '(none named)'}")
    group = group_of(node, policy, world)
    if group is None or group.cluster != name:
        return Isolated(status="ignored", reason=f"{node.name} is in no group of the policy", node=node.name)
    run = request.run or run_of(request.execution, group, policy.version)
    seen = {"node": node.name, "instance": node.instance, "since": now, "silent": node.silent}
    known = Isolated.model_validate({"status": "observed", "reason": f"mode {run.mode}", "run": run, **seen})
    if run.mode != "apply":
        return known
    word = request.diagnose or first_word(fault, xid_table(), group.remediation)
    if not closes(word.action):
        return known.model_copy(update={"status": "open", "reason": word.reason})
    return close(fault, node, run, known, now, cluster=cluster, world=world)


def close(
    fault: GpuFault, node: Node, run: Run, known: Isolated, now: datetime, *, cluster: Cluster, world: World
) -> Isolated:
    """Close it, unless another run or tool is at work on it, or the global stop stands.

    What AWS takes is emptied by then, whoever has it. What a person wishes of this run is asked for only where the stop
    holds it: there is time then. Raises: Refused when they cancelled it meanwhile.
    """
    if (other := at_work(node, run, world)) and not fault.hurries:
        return known.model_copy(update={"status": "owned", "reason": f"run {other} is at work on {node.name}"})
    if node.held_by and fault.deadline is None:
        return known.model_copy(update={"status": "owned", "reason": f"{node.name} is left to {node.held_by}"})
    if world.wishes.stop() and (halt := why_held(run, world)):
        return known.model_copy(update={"status": "waiting", "reason": halt.reason, "wait_seconds": halt.seconds(now)})
    cluster.isolate(node, run.id, words_of(fault), name_of(fault))
    return known.model_copy(update={"status": "closed", "reason": f"{node.name} takes no new pods: {words_of(fault)}"})


def at_work(node: Node, run: Run, world: World) -> str | None:
    """The run that has the node in quarantine, while it runs; what it left closed is anybody's to go on with."""
    other = node.isolated_by
    if other is None or other == run.id:
        return None
    return other if world.executions.find(f"{run.execution.rpartition(':')[0]}:{other}").running else None


def cluster_of(fault: GpuFault, policy: Policy) -> str | None:
    """The fault's cluster, or the only one there is; one that the policy does not name is not ours."""
    named = {group.cluster for group in policy.groups}
    if fault.cluster:
        return fault.cluster if fault.cluster in named else None
    return named.pop() if len(named) == 1 else None


def find(fault: GpuFault, cluster: Cluster) -> Node | None:
    """By its name, else by its instance; a node of that name with another instance came after the fault."""
    if fault.node:
        node = cluster.node(fault.node)
        return node if node and fault.instance in {"", node.instance} else None
    return cluster.node_of(fault.instance) if fault.instance else None


def group_of(node: Node, policy: Policy, world: World) -> GroupPolicy | None:
    """The policy of the Auto Scaling group that the node's instance is in."""
    name = world.instances.group_of(node.instance)
    return next((group for group in policy.groups if group.group == name), None)
