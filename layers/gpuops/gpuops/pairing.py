"""Which newcomer a slot of the roll claims, and for which old node, where volumes tie pods to a zone.

The zones of volumes are read only where the newcomer stands in another zone than the old node: that costs calls. Nodes
are read one by one, by the names that their instances have in EC2: a claim must not cost more in a larger cluster.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gpuops.adapters.cluster import Cluster
from gpuops.domain.cluster import Node
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim, claimable, decide_turn, shortage, with_newcomer
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.group import Group, Instance


@dataclass(frozen=True)
class Pair:
    """A claim that can be made, or why there is none."""

    found: Claim | None
    why: str


@dataclass(frozen=True)
class Pairing:
    """The group and its cluster as one call sees them."""

    group: Group
    undo: Undo
    claims: Sequence[Claim]
    connect: Callable[[], Cluster]
    """Asked only once there is a newcomer: until then there is nothing to look at."""
    private_dns: Callable[[str], str]
    """An instance's name in EC2, where the group does not tell it."""
    read: dict[str, Node | None] = field(default_factory=dict)
    """Nodes that were read, by their instances."""

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster, at the first question."""
        return self.connect()

    def node_of(self, instance: Instance) -> Node | None:
        """The instance's node, as it was at the first look."""
        if instance.id not in self.read:
            hint = instance.host or self.private_dns(instance.id)
            self.read[instance.id] = self.cluster.node_of(instance.id, hint=hint)
        return self.read[instance.id]

    def pair(self, wanted: Claim, old: Instance) -> Pair:
        """Return the claim for this old instance, or for the next one whose pods may go to where a newcomer is.

        Raises: Unavailable, Refused, Invalid.
        """
        bound: dict[str, str] = {}
        while True:
            free = self._free(old.zone)
            nodes = filter(None, map(self.node_of, free))
            found = with_newcomer(wanted.model_copy(update={"old": old.id}), free, nodes)
            if found is None:
                return Pair(None, shortage(self.group, self.undo, len(free)))
            why = self._bound(old, found.new)
            if why is None:
                return Pair(found, "")
            bound[old.id] = why
            turn = decide_turn(self.group, self.undo, self.claims, decrement=wanted.decrement, bound=bound)
            if turn.old is None:
                return Pair(None, f"{turn.reason}: {', '.join(bound.values())}")
            old = turn.old

    def _free(self, zone: str) -> list[Instance]:
        """Newcomers that nobody has claimed; the first ones are waited for by nodes that went first."""
        free = claimable(self.group, self.undo, [claim.new for claim in self.claims], zone)
        return free[sum(claim.out and claim.stage == self.undo.stage for claim in self.claims) :]

    def _bound(self, old: Instance, new: str) -> str | None:
        """Which pod could not follow its volume, and where that is; None where every pod may go to the newcomer."""
        there = self.group.instance(new)
        if there is None or there.zone == old.zone or (node := self.node_of(old)) is None:
            return None
        for pod in self.cluster.pods_on(node.name):
            zones = self.cluster.zones_of(pod) if pod.claims and must_go(pod) else None
            if zones is not None and there.zone not in zones:
                return f"{pod.title} has a volume in {' or '.join(sorted(zones))}"
        return None
