"""A pool of GPU nodes, minute by minute: scheduler, device plugin, autoscaler, and GPUs whose memory runs out.

Written for many runs in a row: a minute costs as much as there are pods. What is like the real thing: pods go where
kube-scheduler's default scoring sends them, on a node to the GPU with the fewest shares in use (the plugin's
`distributed`), and stay; shares change as the product may change them, 1 to N only on an empty node, and never below
what is in use. A further pod on a GPU slows the others down, by the interference model; too much memory kills the
newest pod of the GPU. What is not: nodes are alike, and a pod's cpu and memory always fit beside its GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.rebalancing.scheduler import Node, Pod, choose, put, take
from bench.rebalancing.trace import Replay

BOOT_MINUTES, IDLE_MINUTES, SWITCH_MINUTES, BACK_MINUTES = 3, 10, 2, 1
NEIGHBOUR = 0.03
"""What each further pod on a GPU costs the others, whatever it does (Lucid: 0.97 of the speed at 60-70 percent)."""
WEIGHTS = (1.0, 0.5, 50.0, 1.0, 0.05)
"""In GPU-hours: an hour of a GPU, an hour of busy above 1, an out-of-memory, an hour of a pending slice, a switch."""


@dataclass(slots=True)
class Bill:
    """What happened so far, in the units of the cost."""

    gpu_minutes: int = 0
    overload_minutes: float = 0.0
    oom: int = 0
    oom_profiled: int = 0
    """Those where every pod on the GPU was of a workload that the planner could know."""
    pending_minutes: int = 0
    switches: int = 0
    marks: int = 0
    """Soft taints that were set or lifted; they cost nothing in J, and are told beside it."""

    def cost(self, weights: Sequence[float]) -> float:
        """J, in GPU-hours."""
        counts = (self.gpu_minutes / 60, self.overload_minutes / 60, self.oom, self.pending_minutes / 60, self.switches)
        return sum(weight * count for weight, count in zip(weights, counts, strict=True))


@dataclass(slots=True)
class World:
    """The pool at one minute."""

    memory_mib: int
    warm_up: int
    minute: int = 0
    nodes: list[Node] = field(default_factory=list)
    pending: list[Pod] = field(default_factory=list)
    """The first comes first."""
    away: list[tuple[int, Pod]] = field(default_factory=list)
    """Killed, and back in that minute."""
    bill: Bill = field(default_factory=Bill)
    born: int = 0
    next: int = 0
    """Place of the next arrival."""
    target: int = 1
    """Shares with which new nodes start."""
    profiled: frozenset[str] = frozenset()
    """Workloads that were measured throughout the warm-up."""

    @property
    def counts(self) -> bool:
        """Whether the warm-up is over."""
        return self.minute >= self.warm_up

    def clone(self) -> "World":
        """An equal world that goes its own way."""
        return replace(
            self,
            nodes=[node.clone() for node in self.nodes],
            pending=[pod.clone() for pod in self.pending],
            away=[(at, pod.clone()) for at, pod in self.away],
            bill=replace(self.bill),
        )

    def step(self, replay: Replay) -> None:
        """Live through one minute; whatever is decided after it holds from the next one on."""
        self._arrive(replay)
        self._place()
        self._scale()
        self._run(replay)
        if self.counts:
            self.bill.gpu_minutes += len(self.nodes)
            self.bill.pending_minutes += len(self.pending)
        self.minute += 1

    def switch(self, node: Node, replicas: int) -> bool:
        """Change the shares of a node if that may be; it takes no pods meanwhile."""
        if node.replicas == replicas or not node.may_become(replicas):
            return False
        node.replicas = replicas
        node.ready = max(node.ready, self.minute + SWITCH_MINUTES)
        self.bill.switches += self.counts
        return True

    def mark(self, node: Node, marks: int) -> None:
        """Set or lift soft taints."""
        if node.marks != marks:
            node.marks = marks
            self.bill.marks += self.counts

    def _arrive(self, replay: Replay) -> None:
        self.pending += [pod for at, pod in self.away if at <= self.minute]
        self.away = [(at, pod) for at, pod in self.away if at > self.minute]
        while self.next < len(replay.arrivals) and replay.arrivals[self.next].minute <= self.minute:
            spec = replay.arrivals[self.next]
            self.pending.append(Pod(spec, spec.minutes, self.minute))
            self.next += 1

    def _place(self) -> None:
        waiting = []
        roomy = [node for node in self.nodes if node.ready <= self.minute and node.free]
        for pod in self.pending:
            node = choose(pod, roomy)
            if node is None:
                waiting.append(pod)
                continue
            pod.since = self.minute
            put(node, pod)
            if not node.free:
                roomy.remove(node)
        self.pending = waiting

    def _scale(self) -> None:
        """Nodes for whoever waits, less those that are on their way; nodes that were idle for long go."""
        now = self.minute
        self.nodes = [node for node in self.nodes if node.pods or now - node.idle < IDLE_MINUTES]
        coming = sum(node.free for node in self.nodes if node.ready > now)
        while len(self.pending) > coming:
            self.nodes.append(Node(self.born, self.target, ready=now + BOOT_MINUTES, idle=now + BOOT_MINUTES))
            self.born += 1
            coming += self.target

    def _run(self, replay: Replay) -> None:
        """Every GPU for one minute."""
        for node in self.nodes:
            node.fallen.clear()
            if node.pods:
                self._kill(node, replay)
                self._work(node, replay)
                node.idle = self.minute + 1

    def _kill(self, node: Node, replay: Replay) -> None:
        """The newest pods, until the others fit."""
        used = [replay.loads[pod.spec.workload].memory_mib[self.minute] or 0 for pod in node.pods]
        while sum(used) > self.memory_mib:
            newest = max(range(len(used)), key=lambda place: (node.pods[place].since, node.pods[place].spec.id))
            if self.counts:
                self.bill.oom += 1
                self.bill.oom_profiled += all(pod.spec.workload in self.profiled for pod in node.pods)
            self.away.append((self.minute + BACK_MINUTES, node.pods[newest]))
            node.fallen.append(node.pods[newest])
            take(node, node.pods[newest])
            del used[newest]

    def _work(self, node: Node, replay: Replay) -> None:
        busy = sum(replay.loads[pod.spec.workload].busy[self.minute] or 0.0 for pod in node.pods)
        if self.counts and busy > 1:
            self.bill.overload_minutes += busy - 1
        speed = 1 / (max(1.0, busy) * (1 + NEIGHBOUR * (len(node.pods) - 1))) if node.pods else 1.0
        for pod in list(node.pods):
            pod.left -= speed
            if pod.left <= 0:
                take(node, pod)
