"""How few GPUs could hold the pods of each minute: Martello and Toth's L2, a lower bound of bin packing.

Items are the 99th percentile of each pod's memory over the replay, bins 95 percent of a GPU's. L2 counts, for each
threshold, the items that can have nobody beside them, and what of the others does not fit beside the large ones:

    L2 = max over a <= c/2 of |{w > c-a}| + |{c/2 < w <= c-a}| + max(0, ceil((S(a <= w <= c/2) - R) / c))
    R  = what the items of the second kind leave free

(S. Martello, P. Toth, Knapsack Problems, 1990, 8.3). It knows nothing of time: pods may change GPUs every minute in it.
`placement` is that. `resident` also knows that a pod which began alone on an exclusive GPU keeps it to its end, as the
product's rules and kubelet have it: those count one GPU each, and L2 packs the others.
"""

import math
from collections.abc import Sequence

from bench.rebalancing.trace import Replay
from bench.rebalancing.world import World

FILL, PERCENTILE = 0.95, 0.99


def l2(items: Sequence[int], bin_size: float) -> int:
    """Return a number of bins below which no packing exists; an item larger than a bin has one to itself."""
    large = sorted(item for item in items if item > bin_size / 2)
    small = sorted(item for item in items if item <= bin_size / 2)
    return max((_at(threshold, large, small, bin_size) for threshold in {0, *small}), default=0)


def _at(threshold: float, large: Sequence[int], small: Sequence[int], bin_size: float) -> int:
    paired = [item for item in large if item <= bin_size - threshold]
    rest = sum(item for item in small if item >= threshold)
    free = len(paired) * bin_size - sum(paired)
    return len(large) + max(0, math.ceil((rest - free) / bin_size - 1e-9))


class Bound:
    """Adds up both bounds along a run."""

    def __init__(self, replay: Replay, memory_mib: int) -> None:
        self._items = {name: _needed(load.memory_mib) for name, load in replay.loads.items()}
        self._bin = FILL * memory_mib
        self.placement_minutes = 0
        self.resident_minutes = 0

    def look(self, world: World) -> None:
        """Count the pods that run in this minute."""
        if world.minute > world.warm_up:
            pods = [pod for node in world.nodes for pod in node.pods]
            late = [self._items[pod.spec.workload] for pod in pods if pod.since >= world.warm_up]
            self.placement_minutes += l2([self._items[pod.spec.workload] for pod in pods], self._bin)
            self.resident_minutes += len(pods) - len(late) + l2(late, self._bin)


def _needed(values: Sequence[int | None]) -> int:
    known = sorted(value for value in values if value is not None)
    return known[int(PERCENTILE * (len(known) - 1))]
