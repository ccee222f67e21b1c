"""Who decides about the shares: the simple ways that people use, each over what it could see at that minute."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.rebalancing.trace import Replay
from bench.rebalancing.world import World

LADDER = (1, 2, 3, 4, 6, 8)
TARGET_BUSY, TOLERANCE, STABLE_MINUTES = 0.75, 0.1, 5
"""The HPA's formula: within a tenth of the target nothing changes; down at once, up by the least of five minutes."""
IDLE_MINUTES = 10


class Decides(Protocol):
    """A policy: looks at the pool after a minute, and changes it through `switch`, `mark` and `target`."""

    def __call__(self, world: World, replay: Replay) -> None:
        """Decide, by nothing later than this minute."""


def uniform(rung_at: Callable[[World, Replay], int]) -> Decides:
    """A policy that gives every node the same rung, wherever it may have it."""

    def decide(world: World, replay: Replay) -> None:
        if world.counts:
            world.target = rung_at(world, replay)
            for node in world.nodes:
                world.switch(node, world.target)

    return decide


def static(rung: int) -> Decides:
    """Always the same."""
    return uniform(lambda _world, _replay: rung)


def scheduled(rungs: Sequence[int], block: int) -> Decides:
    """One rung for each block of minutes after the warm-up: how a hindsight is written down."""
    return uniform(lambda world, _: rungs[min((world.minute - world.warm_up) // block, len(rungs) - 1)])


def utilisation_only() -> Decides:
    """As many shares as the pods' mean busy allows, whatever their memory."""
    return uniform(lambda world, replay: _rung(TARGET_BUSY / max(mean_busy(world, replay), 1e-3)))


def pending_only() -> Decides:
    """One rung up after a minute with pending pods, one down after ten without: how nos looks at a cluster."""
    quiet = 0

    def rung_at(world: World, _: Replay) -> int:
        nonlocal quiet
        quiet = 0 if world.pending else quiet + 1
        place = LADDER.index(world.target)
        if world.pending:
            return LADDER[min(place + 1, len(LADDER) - 1)]
        if quiet >= IDLE_MINUTES:
            quiet = 0
            return LADDER[max(place - 1, 0)]
        return world.target

    return uniform(rung_at)


def hpa() -> Decides:
    """The formula of Kubernetes' HPA, over how busy GPUs are: the desired number is the present by target / metric."""
    wanted: list[int] = []

    def rung_at(world: World, replay: Replay) -> int:
        used = sum(1 for node in world.nodes if node.pods)
        pods = sum(len(node.pods) for node in world.nodes)
        busy = mean_busy(world, replay) * pods / used if used else 0.0
        ratio = TARGET_BUSY / max(busy, 1e-3)
        wanted.append(world.target if abs(ratio - 1) <= TOLERANCE else _rung(world.target * ratio))
        del wanted[:-STABLE_MINUTES]
        return min(wanted)

    return uniform(rung_at)


def mean_busy(world: World, replay: Replay) -> float:
    """How busy a pod is on average in the minute that was."""
    now = world.minute - 1
    busy = [replay.loads[pod.spec.workload].busy[now] or 0.0 for node in world.nodes for pod in node.pods]
    return sum(busy) / len(busy) if busy else 0.0


def _rung(shares: float) -> int:
    return max((rung for rung in LADDER if rung <= math.floor(shares)), default=1)


def run(replay: Replay, memory_mib: int, policy: Decides) -> World:
    """Live through the whole replay under one policy."""
    world = fresh(replay, memory_mib)
    while world.minute < replay.minutes:
        world.step(replay)
        policy(world, replay)
    return world


def fresh(replay: Replay, memory_mib: int) -> World:
    """The pool before the first minute."""
    return World(memory_mib, replay.warm_up, profiled=replay.profiled)
