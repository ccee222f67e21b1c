"""Whether a node may go from one configuration of the device plugin to another now.

Kubelet evicts nobody when a plugin offers something else (pkg/kubelet/cm/devicemanager, `devicesToAllocate`), and so:

- from exclusive to shared under a running pod, that pod's GPU is handed out again: its exclusivity is gone in silence;
- fewer shares than the highest index in use leave a pod with a share that no longer exists, which then fails at its
  node's next boot ("previously allocated devices are no longer healthy");
- the same holds, under both rules, where the resource changes its name.

More shares of a GPU that is shared already disturb nobody. What cannot be known counts against the change. A smoke's
pod is a pod like any other here: what it shows would be of neither configuration.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gpuops.domain.cluster import Node, Pod
from gpuops.domain.config.foreign import OPERATOR_NODE_LABEL, host_plugin
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.keys import CONFIG_BEFORE
from gpuops.domain.policy.parts import EXCLUSIVE
from gpuops.domain.slicing.shape import Goal, Shape
from gpuops.domain.tenants import holders_of, tenants_of

MAX_NAMED = 5
Readings = Mapping[str, GpuSample]


@dataclass(frozen=True)
class Sight:
    """A node and what runs on it, at one moment."""

    node: Node
    pods: Sequence[Pod]
    now: Shape | None
    """The shape that its configuration makes; None where that is unknown."""
    readings: Readings | None = None
    """What its exporter says; None where there is none, or it does not answer."""


@dataclass(frozen=True)
class Change:
    """What may be done about a node now."""

    status: Literal["change", "waiting", "left", "done"]
    """`waiting` ends by itself, when pods do; `left` needs somebody else, or is nobody's business."""
    reason: str


def is_begun(node: Node, run_id: str) -> bool:
    """Whether the run has closed the node and given it another configuration, and not settled that."""
    return node.cordoned_by == run_id and CONFIG_BEFORE in node.annotations


def turn_of(node: Node, run_id: str) -> tuple[bool, bool]:
    """What was broken off is settled before another node is closed; a sick node is no canary."""
    return not is_begun(node, run_id), not (node.gpus or node.shared_gpus)


def left_alone(node: Node, run_id: str) -> str | None:
    """Why the node is not for this run to change, whatever runs on it; None when it is."""
    if why := out_of_reach(node):
        return why
    if node.unschedulable and node.cordoned_by != run_id:
        return f"cordoned by {f'run {node.cordoned_by}' if node.cordoned_by else 'somebody else'}"
    if node.pending:
        return "it waits for its admission, which configures it"
    return None if node.ready else f"not Ready: {node.readiness}"


def out_of_reach(node: Node) -> str | None:
    """Why no label of ours shares the node's GPUs; None where one does."""
    if node.mig:
        return "MIG cuts its GPUs"
    if node.labels.get(OPERATOR_NODE_LABEL) == "true":
        return "the GPU Operator runs its device plugin"
    return host_plugin(node)


def without_training(nodes: Iterable[Node], pods: Mapping[str, Sequence[Pod]]) -> list[Node]:
    """Where shares follow the load, a node with training keeps its GPUs exclusive, and nobody waits for it."""
    busy = {name for name, there in pods.items() if any(pod.completes or pod.gpus > 1 for pod in tenants_of(there))}
    return [node for node in nodes if node.name not in busy or node.config not in {None, EXCLUSIVE}]


def needs_readings(pods: Iterable[Pod], now: Shape | None, wanted: Shape) -> bool:
    """Whether the decision depends on which shares are in use."""
    return now is not None and not _crosses(now, wanted) and wanted.replicas < now.replicas and bool(holders_of(pods))


def decide_change(sight: Sight, goal: Goal, run_id: str) -> Change:
    """Decide about one node, for one run."""
    node = sight.node
    if node.config == goal.key:
        return Change("done", f"{node.name} has {goal.key}")
    if why := left_alone(node, run_id):
        return Change("left", f"{node.name} is left alone: {why}")
    way = f"{node.name}, from {node.config or 'no configuration'} to {goal.key}"
    if node.config is None and not (node.gpus or node.shared_gpus):
        return Change("waiting", f"{way}: its device plugin offers nothing yet")
    if holders_of(sight.pods) and (why := _why_wait(sight, goal.shape)):
        return Change("waiting", f"{way}: {why}")
    return Change("change", way)


def _why_wait(sight: Sight, wanted: Shape) -> str | None:
    """Which of the node's pods stand in the way of a change, and why."""
    staying, now = holders_of(sight.pods), sight.now
    named = ", ".join(pod.title for pod in staying[:MAX_NAMED])
    if now is None:
        return f"how its GPUs are shared now is unknown, and {named} hold some"
    if _crosses(now, wanted):
        return f"only without GPU pods, and {named} run on it"
    if wanted.replicas >= now.replicas:
        return None
    if sight.readings is None or not _all_seen(staying, sight.readings):
        return f"no exporter tells which shares {named} hold"
    top = max((index for reading in sight.readings.values() for index in reading.holders), default=-1)
    return None if wanted.replicas > top else f"share {top} of a GPU is in use, of {wanted.replicas} from 0: {named}"


def _crosses(now: Shape, wanted: Shape) -> bool:
    """Whether the change would touch what a pod was promised, and not just how many may come."""
    return now.shared != wanted.shared or now.resource != wanted.resource


def _all_seen(staying: Sequence[Pod], readings: Readings) -> bool:
    """Whether every pod shows up with all of its shares: a reading is as old as the exporter's interval."""
    held = [title for reading in readings.values() for title in reading.holders.values()]
    return all(held.count(pod.title) >= pod.gpus for pod in staying)
