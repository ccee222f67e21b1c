"""The best that one rung for the whole pool could have been, block by block, for who knows everything.

Dynamic programming over ladder x time: from each state at the end of a block, every rung is tried for the next one,
and equal states are one. A state is the whole pool, since pods stay where they were put; so there can be too many of
them. As long as none was dropped the result is exact; otherwise it is the best of a beam search, which keeps the
cheapest states, and of every static rung, and it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.rebalancing.policies import LADDER, fresh, scheduled
from bench.rebalancing.trace import Replay
from bench.rebalancing.world import World

BLOCK_MINUTES, WIDTH = 60, 4
State = tuple[World, tuple[int, ...]]


@dataclass(frozen=True)
class Hindsight:
    """The best that was found."""

    cost: float
    world: World
    rungs: tuple[int, ...]
    """One for each block after the warm-up."""
    method: str


def hindsight(
    replay: Replay, memory_mib: int, weights: Sequence[float], block: int = BLOCK_MINUTES, width: int = WIDTH
) -> Hindsight:
    """Search; the beam always holds the static rungs, so that the best of them is never lost."""
    world = fresh(replay, memory_mib)
    while not world.counts:
        world.step(replay)
    states: list[State] = [(world, ())]
    dropped = 0
    ends = [*range(replay.warm_up + block, replay.minutes, block), replay.minutes]
    for end in ends:
        grown = [_live(world, (*rungs, rung), end, replay, block) for world, rungs in states for rung in LADDER]
        states, lost = _kept(grown, weights, width)
        dropped += lost
    best, rungs = min(states, key=lambda state: state[0].bill.cost(weights))
    exact = f"exact: dynamic programming over {len(LADDER)} rungs x {len(ends)} blocks of {block} minutes"
    beam = f"beam search of width {width} and all static rungs over {len(ends)} blocks of {block} minutes"
    return Hindsight(best.bill.cost(weights), best, rungs, beam if dropped else exact)


def _live(before: World, rungs: tuple[int, ...], end: int, replay: Replay, block: int) -> State:
    world, policy = before.clone(), scheduled(rungs, block)
    while world.minute < end:
        policy(world, replay)
        world.step(replay)
    return world, rungs


def _kept(states: Sequence[State], weights: Sequence[float], width: int) -> tuple[list[State], int]:
    """The cheapest, and those that never changed their rung; how many were dropped."""
    apart: dict[str, State] = {}
    for world, rungs in sorted(states, key=lambda state: state[0].bill.cost(weights)):
        apart.setdefault(repr((world.nodes, world.pending, world.away)), (world, rungs))
    every = list(apart.values())
    kept = [state for place, state in enumerate(every) if place < width or len(set(state[1])) == 1]
    return kept, len(every) - len(kept)
