"""In which order the nodes of a group go.

What costs nobody anything goes first: idle nodes, then nodes whose pods can move, then nodes with Jobs, those that
have run longest first: no API tells when a Job ends, and the oldest is the likeliest to end next. Where nothing
else decides, the zones take turns, so that no zone is emptied of its warm nodes first.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class NodeLoad:
    """What one old node carries; the reason for its place in the order."""

    instance: str
    zone: str
    pods: int = 0
    """Pods that a drain would have to move: no DaemonSet's, no mirror, none that has finished."""
    jobs: int = 0
    """Those of them that belong to Jobs."""
    jobs_since: str = ""
    """When the youngest of them started, in the words of the API: only ever compared with its like."""

    @property
    def kind(self) -> int:
        """0 idle, 1 pods that can move, 2 Jobs."""
        return 2 if self.jobs else int(self.pods > 0)

    @property
    def reason(self) -> str:
        """Why it stands where it stands, in the plan's words."""
        if self.jobs:
            return f"{self.zone}, {self.jobs} job pods, the youngest since {self.jobs_since or 'unknown'}"
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


def _key(load: NodeLoad) -> tuple[int, bool, str, str]:
    """Kind, then the oldest Jobs, then the name: the same world gives the same order."""
    return load.kind, not load.jobs_since, load.jobs_since, load.instance
