"""Which nodes stand and fall together, because one gang runs on all of them.

Taking one node of a gang from it stops the whole gang. So its nodes are one unit: they are closed once each of them has
its replacement, or the gang has ended; one after the other, each of them would stop it anew. Gangs that share a node
are one unit, too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpuops.domain.pods import Pod
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.order import few


@dataclass(frozen=True)
class Unit:
    """Nodes that are replaced together, by their names, and the gangs that make them so."""

    nodes: frozenset[str]
    gangs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """How messages name it."""
        return few(self.gangs)


class Gangs:
    """The gangs of a cluster at one moment, by the pods that hold its nodes."""

    def __init__(self, pods_by_node: Mapping[str, Iterable[Pod]]) -> None:
        self._on: defaultdict[str, set[str]] = defaultdict(set)
        self._nodes: defaultdict[str, set[str]] = defaultdict(set)
        for node, pods in pods_by_node.items():
            for pod in pods:
                if pod.gang and must_go(pod):
                    self._on[node].add(pod.gang)
                    self._nodes[pod.gang].add(node)

    def unit_of(self, node: str) -> Unit:
        """Return the unit of the node: itself alone where no gang leads from it to another one."""
        nodes, gangs, todo = {node}, set[str](), [node]
        while todo:
            for gang in self._on[todo.pop()] - gangs:
                gangs.add(gang)
                todo += self._nodes[gang] - nodes
                nodes |= self._nodes[gang]
        return Unit(frozenset(nodes), tuple(sorted(gang for gang in gangs if len(self._nodes[gang]) > 1)))


@dataclass(frozen=True)
class Together:
    """The old instances of one unit, and whether they may be closed now."""

    instances: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Those without a claim, which are to be claimed next."""
    why: str | None = None
    """Why they may not be closed yet."""


def decide_together(unit: Unit, olds: Sequence[str], claimed: Collection[str], at_once: int) -> Together:
    """Close the unit's old instances once each has its claim; `at_once` is how many the roll replaces at a time.

    `olds` are those instances of the unit that are still to go: what the gang has elsewhere is not in our way.
    """
    missing = tuple(old for old in olds if old not in claimed)
    if not missing or len(olds) < 2:  # noqa: PLR2004 - one node is no gang
        return Together(tuple(olds))
    what = f"{unit.title} runs on {len(olds)} nodes"
    if len(olds) > at_once:
        return Together(tuple(olds), why=f"{what}, more than the {at_once} that are replaced at a time")
    return Together(tuple(olds), missing, f"{what}, and {len(missing)} of them have no replacement claimed yet")
