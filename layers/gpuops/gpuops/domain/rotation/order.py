"""In which order the nodes of a group go.

What costs nobody anything goes first: idle nodes, then nodes whose pods can move, then nodes with Jobs by the
earliest end. Within one kind the zones take turns, so that no zone is emptied of its warm nodes first.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class NodeLoad:
    """What one old node carries; the reason for its place in the order."""

    instance: str
    zone: str
    pods: int = 0
    """Pods that a drain would have to move: no DaemonSet's, no mirror, none that has finished."""
    jobs: int = 0
    """Those of them that belong to Jobs."""
    jobs_end: datetime | None = None
    """Latest known end of its Jobs, by the apiserver's clock: only ever compared with its like."""

    @property
    def kind(self) -> int:
        """0 idle, 1 pods that can move, 2 Jobs with a known end, 3 Jobs without."""
        if self.jobs:
            return 2 if self.jobs_end else 3
        return 1 if self.pods else 0

    @property
    def reason(self) -> str:
        """Why it stands where it stands, in the plan's words."""
        if self.jobs:
            end = f"until {self.jobs_end:%Y-%m-%dT%H:%MZ}" if self.jobs_end else "end unknown"
            return f"{self.zone}, {self.jobs} job pods, {end}"
        return f"{self.zone}, {self.pods} pods to move" if self.pods else f"{self.zone}, idle"


def order_nodes(loads: Iterable[NodeLoad]) -> list[NodeLoad]:
    """Return every node once, in the order in which they are replaced."""
    waiting = sorted(loads, key=_key)
    taken: Counter[str] = Counter()
    ordered: list[NodeLoad] = []
    while waiting:
        first = waiting[0].kind
        peers = [load for load in waiting if load.kind == first] if first < 2 else waiting[:1]  # noqa: PLR2004
        chosen = min(peers, key=lambda load: taken[load.zone])
        taken[chosen.zone] += 1
        ordered.append(chosen)
        waiting.remove(chosen)
    return ordered


def _key(load: NodeLoad) -> tuple[int, float, str]:
    """Kind, then earliest end, then the name: the same world gives the same order."""
    return load.kind, load.jobs_end.timestamp() if load.jobs_end else 0.0, load.instance
