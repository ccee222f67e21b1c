"""Where a pod goes: kube-scheduler's default scoring, over nodes of one GPU each.

Least allocated (over cpu and memory), the default topology spread of a workload's own pods over nodes, and soft taints,
with their weights of 1, 2 and 3 (pkg/scheduler/apis/config/v1/default_plugins.go). The other default plugins score
nodes that are alike all the same. Where kube-scheduler would throw a die, a number decides that every run agrees on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.rebalancing.trace import Arrival
from gpuops.domain.slicing.steer import CLOSED

NODE_CPU_MILLI, NODE_MEMORY_MIB = 192_000, 2_097_152
SPREAD, AVOID, WHOLE = 2.0, 3.0, 100.0


@dataclass(slots=True)
class Pod:
    """A pod; `left` is what remains of its life, in minutes without a slowdown."""

    spec: Arrival
    left: float
    since: int
    """Minute in which it came, then the one in which it was placed."""

    def clone(self) -> "Pod":
        """An equal one."""
        return Pod(self.spec, self.left, self.since)


@dataclass(slots=True)
class Node:
    """A node with one GPU: its shares, and who holds them."""

    id: int
    replicas: int
    ready: int
    """Minute from which it takes pods: after its boot, or a change of its shares."""
    idle: int
    """Minute since which it has no pods."""
    pods: list[Pod] = field(default_factory=list)
    fallen: list[Pod] = field(default_factory=list)
    """Killed in the minute that was."""
    marks: int = 0
    """Taints: the more, the rather pods go elsewhere while there is an elsewhere; the last one is hard."""
    cpu: int = 0
    memory: int = 0

    @property
    def free(self) -> int:
        """Shares that a pod may have still."""
        return max(0, self.replicas - len(self.pods)) if self.marks < CLOSED else 0

    def may_become(self, replicas: int) -> bool:
        """As the product decides: exclusive and shared change places on an empty node only."""
        used = len(self.pods)
        return not used or (replicas > 1 and self.replicas > 1 and replicas >= used)

    def clone(self) -> "Node":
        """An equal one with pods of its own."""
        pods = [pod.clone() for pod in self.pods]
        fallen = [pod.clone() for pod in self.fallen]
        return Node(self.id, self.replicas, self.ready, self.idle, pods, fallen, self.marks, self.cpu, self.memory)


def choose(pod: Pod, nodes: Sequence[Node]) -> Node | None:
    """Return the node with the best score; None where there is none."""
    best, found = -1.0, None
    most = max((node.marks for node in nodes), default=0) or 1
    for node in nodes:
        score = _score(pod, node, most)
        if score > best:
            best, found = score, node
    return found


def _score(pod: Pod, node: Node, most: int) -> float:
    twins = sum(1 for other in node.pods if other.spec.workload == pod.spec.workload)
    idle = WHOLE - WHOLE / 2 * (node.cpu / NODE_CPU_MILLI + node.memory / NODE_MEMORY_MIB)
    die = (node.id * 7919 + pod.spec.id * 104_729) % 997 / 1e6
    return idle + SPREAD * WHOLE / (1 + twins) + AVOID * WHOLE * (1 - node.marks / most) + die


def put(node: Node, pod: Pod) -> None:
    """Give the pod a share."""
    node.pods.append(pod)
    node.cpu += pod.spec.cpu_milli
    node.memory += pod.spec.memory_mib


def take(node: Node, pod: Pod) -> None:
    """Free its share."""
    node.pods.remove(pod)
    node.cpu -= pod.spec.cpu_milli
    node.memory -= pod.spec.memory_mib
