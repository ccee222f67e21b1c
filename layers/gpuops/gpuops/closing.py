"""Closing a node that is to be emptied, or saying why its turn has not come: nothing is done to it before.

In this order: what a repair has taken out of service is its own; what an annotation protects stays; the nodes of a gang
are closed together, once each has its claim; and the fleet's budget has a slot for each of them. A node that bears the
run's cordon has passed all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict
from gpuops.domain.policy import Policy
from gpuops.domain.rotation.drain import must_go
from gpuops.domain.rotation.gangs import Gangs, Together, decide_together
from gpuops.domain.rotation.hold import Hold
from gpuops.domain.run import Run
from gpuops.slots import take_slots


@dataclass(frozen=True)
class Closing:
    """Who closes nodes, and where."""

    run: Run
    policy: Policy
    cluster: Cluster
    world: World

    def close(self, node: Node) -> Hold | None:
        """Keep new pods away from the node, and from its fellows if a gang runs on it; or say what it waits for.

        Raises: Conflict when another run's cordon stands on the node; Unavailable, Refused, Invalid from the adapters.
        """
        if node.cordoned_by not in {None, self.run.id}:
            raise Conflict(f"{node.name} is cordoned by run {node.cordoned_by}")
        if node.cordoned_by is not None:
            self._cordon((node,))
            return None
        if why := self._repaired(node):
            return Hold("repair", why)
        if node.keep:
            return Hold("protected", f"its annotation {node.keep} forbids to disturb it")
        if not any(pod.gang and must_go(pod) for pod in self.cluster.pods_on(node.name)):
            return self._take_and_cordon((node,))
        nodes = {there.instance: there for there in self.cluster.nodes() if there.instance}
        together = self._together(node, nodes)
        if together.missing:
            self.world.store.claim_next(self.run, together.missing)
        if together.why:
            return Hold("gang", together.why)
        return self._take_and_cordon([nodes[instance] for instance in together.instances])

    def _repaired(self, node: Node) -> str:
        """Who has taken the node out of service for its repair: that run, or tool, has it until it ends."""
        if node.held_by:
            return f"{node.held_by} repairs it"
        slots = self.world.budgets.slots() if node.isolated_by is not None else ()
        mine = (slot for slot in slots if slot.instance == node.instance and slot.owner != self.run.execution)
        return f"run {node.isolated_by} repairs it" if any(mine) else ""

    def _together(self, node: Node, nodes: Mapping[str, Node]) -> Together:
        """The old instances of the node's unit, as far as they are this run's to replace."""
        unit = Gangs(self.cluster.pods_by_node()).unit_of(node.name)
        undo = self.world.store.undo(self.run.group)
        if undo is None or len(unit.nodes) == 1:
            return Together((node.instance,))
        group = self.world.groups.describe(self.run.group)
        olds = [old.id for old in undo.olds(group) if old.id in nodes and nodes[old.id].name in unit.nodes]
        if node.instance not in olds:
            return Together((node.instance,))
        claimed = {claim.old for claim in self.world.claims.of(self.run.group)}
        return decide_together(unit, olds, claimed, undo.surge or self.policy.group(self.run.group).surge)

    def _take_and_cordon(self, nodes: Sequence[Node]) -> Hold | None:
        """A slot of the fleet's budget for each of them first, all or none."""
        full = take_slots(self.run, [node.instance for node in nodes], self.policy, self.world)
        if full:
            return Hold("budget", full)
        self._cordon(nodes)
        return None

    def _cordon(self, nodes: Iterable[Node]) -> None:
        """Cordon what is open; what another run has closed meanwhile is left to its own drain, which will say so."""
        for node in nodes:
            if node.cordoned_by is None or (node.cordoned_by == self.run.id and not node.unschedulable):
                self.cluster.cordon(node, self.run.id)
