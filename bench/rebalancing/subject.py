"""The planner that is judged: it reads text, as from the nodes' exporters, and decides by the product's own code.

The policy is the product's with its defaults, but for what the replay has no days for: how long a workload must have
been measured, and how often a day its shares may change. It looks as often as the stack's schedule starts
rebalance_slicing; what a look decided is carried out until the next one as that machine does it: one node first, and
once that has proved the change several at a time.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from bench.rebalancing.exposition import NAMESPACE, exposition, pod_name
from bench.rebalancing.trace import Replay
from bench.rebalancing.world import World
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.policy.rebalance import Rebalance
from gpuops.domain.slicing.gather import Owner, falls_of, looks_of, node_of
from gpuops.domain.slicing.planner import plan_pool
from gpuops.domain.slicing.pool import Demand, Pool, PoolNode, PoolPlan, PoolState
from gpuops.domain.slicing.profile import Profile, learn
from gpuops.domain.slicing.select import AT_ONCE

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EVERY_MINUTES = 1
"""The template's RebalanceSchedule."""
MOST_OF_IT = 0.75
"""Of the warm-up that a workload must have been measured: one that has no pod in its first minutes is not strange."""


def policy_of(warm_up: int, *, steer: bool = True) -> Rebalance:
    """The policy under which the planner is judged, for so many minutes of warm-up."""
    return Rebalance(most=8, history_hours=warm_up / 60 * MOST_OF_IT, changes_per_day=48, steer=steer)


class Planner:
    """Looks every so many minutes, and remembers only what the product would have in its table."""

    def __init__(self, policy: Rebalance, every: int = EVERY_MINUTES) -> None:
        self._policy, self._every = policy, every
        self.profiles: Mapping[str, Profile] = {}
        self._state = PoolState()
        self._changing = False
        self._proved: int | None = None
        """The shares that a node of this round of changes got, or is about to get."""
        self.last: PoolPlan | None = None

    def __call__(self, world: World, replay: Replay) -> None:
        """Read the minute that was if it is time to look, and bring the next node to what the last look said."""
        if (world.minute - 1) % self._every == 0:
            plan = self._look(world, replay, world.minute - 1)
            if world.counts:
                steer(world, plan)
                self._changing = plan.status != "hold"
        if self._changing:
            self._changing = change_next(world, AT_ONCE if self._proved == world.target else 1)
            self._proved = world.target if self._changing else None

    def _look(self, world: World, replay: Replay, minute: int) -> PoolPlan:
        now = BEGIN + timedelta(minutes=minute)
        blocked = "" if world.counts else "the warm-up"
        nodes = [read_node(world, place, replay, minute, now) for place in range(len(world.nodes))]
        pool = Pool("replayed", nodes, self._state, blocked)
        hours = self._policy.history_hours
        self.profiles = learn(self.profiles, looks_of(pool), falls_of(pool, now), now, hours)
        plan = plan_pool(pool, self.profiles, Demand(len(world.pending)), self._policy, now)
        self._state, self.last = plan.state, plan
        world.profiled = frozenset(name for name, profile in self.profiles.items() if profile.known(hours))
        return plan


def read_node(world: World, place: int, replay: Replay, minute: int, now: datetime) -> PoolNode:
    """One node, through its exporter's text."""
    node = world.nodes[place]
    name = f"node-{node.id}"
    if node.ready > world.minute:
        return PoolNode(name, node.replicas, apart="it boots, or its shares are being changed", marks=node.marks)
    samples = read_samples(exposition(node, replay, minute, world.memory_mib), name, now)
    titles = {
        f"{NAMESPACE}/{pod_name(pod.spec.workload, pod.spec.id)}": Owner(pod.spec.workload, fell=pod in node.fallen)
        for pod in [*node.pods, *node.fallen]
    }
    read = node_of(name, node.replicas, samples, titles)
    return PoolNode(name, read.replicas, read.gpus, marks=node.marks)


def steer(world: World, plan: PoolPlan) -> None:
    """Set the soft taints, and the shares with which nodes are admitted from now on."""
    nodes = {f"node-{node.id}": node for node in world.nodes}
    world.target = plan.replicas
    for planned in plan.nodes:
        world.mark(nodes[planned.node], planned.marks)


def change_next(world: World, most: int) -> bool:
    """Change so many more nodes unless some are changing still; False where none is left that may be."""
    if any(node.ready > world.minute and node.idle < node.ready for node in world.nodes):
        return True
    changes = (world.switch(node, world.target) for node in world.nodes if node.ready <= world.minute)
    return bool(list(islice(filter(None, changes), most)))
