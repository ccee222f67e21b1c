"""In which order the nodes of a group go.

What costs nobody anything goes first: idle nodes, then nodes whose pods can move, then nodes with training, those that
have run longest first: no API tells when a Job ends, and the oldest is the likeliest to end next. Where nothing
else decides, the zones take turns, so that no zone is emptied of its warm nodes first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_NAMED = 3


@dataclass(frozen=True)
class NodeLoad:
    """What one old node carries; the reason for its place in the order."""

    instance: str
    zone: str
    pods: int = 0
    """Pods that a drain would have to move: no DaemonSet's, no mirror, none that has finished."""
    jobs: int = 0
    """Those of them that are training."""
    jobs_since: str = ""
    """When the youngest of them started, in the words of the API: only ever compared with its like."""

    works: tuple[str, ...] = ()
    """What its pods are part of: Jobs, JobSets and the like, as messages name them."""
    gang: str = ""
    """What joins it to other nodes; empty for a node on its own."""
    nodes: int = 1
    """How many nodes that are, of whichever group."""
    kept: tuple[str, ...] = ()
    """Pods that an annotation protects, each with it."""

    @property
    def kind(self) -> int:
        """0 idle, 1 pods that can move, 2 training."""
        return 2 if self.jobs else int(self.pods > 0)

    @property
    def reason(self) -> str:
        """Why it stands where it stands, and what a drain will meet there, in the plan's words."""
        what = "idle"
        if self.jobs:
            what = f"{self.jobs} training pods, the youngest since {self.jobs_since or 'unknown'}"
        elif self.pods:
            what = f"{self.pods} pods to move"
        works = f" ({few(self.works)})" if self.works else ""
        kept = f"; protected: {few(self.kept)}" if self.kept else ""
        unit = f"; one of {self.nodes} nodes that go together" if self.gang else ""
        return f"{self.zone}, {what}{works}{unit}{kept}"


def few(names: Sequence[str]) -> str:
    """Name the first ones, and say how many more there are: what a state says travels through every one after it."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


Block = tuple[NodeLoad, ...]
"""Nodes that go together: those of a gang, or one on its own."""


def order_nodes(loads: Iterable[NodeLoad]) -> list[NodeLoad]:
    """Return every node once, in the order in which they are replaced; the nodes of a gang stand side by side."""
    waiting = sorted(_blocks(loads), key=_key)
    taken: Counter[str] = Counter()
    ordered: list[NodeLoad] = []
    while waiting:
        first = _kind(waiting[0])
        peers = [block for block in waiting if _kind(block) == first] if first < 2 else waiting[:1]  # noqa: PLR2004
        chosen = min(peers, key=lambda block: taken[block[0].zone])
        taken.update(load.zone for load in chosen)
        ordered += chosen
        waiting.remove(chosen)
    return ordered


def _blocks(loads: Iterable[NodeLoad]) -> list[Block]:
    """The nodes of each gang together, and every other one for itself."""
    found: defaultdict[str, list[NodeLoad]] = defaultdict(list)
    for load in sorted(loads, key=lambda load: load.instance):
        found[f"gang {load.gang}" if load.gang else load.instance].append(load)
    return [tuple(block) for block in found.values()]


def _kind(block: Block) -> int:
    """A gang goes with the nodes of training, even where its pods could move: all of them have to, at once."""
    return 2 if len(block) > 1 else block[0].kind


def _key(block: Block) -> tuple[int, bool, str, str]:
    """Kind, then the oldest Jobs, then the name: the same world gives the same order."""
    since = max(load.jobs_since for load in block)
    return _kind(block), not since, since, block[0].instance
