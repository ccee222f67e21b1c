"""Notes when machines came and went, from outside the product: from the region's EC2 and the cluster's watch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rehearsal.chronicle import Chronicle
from rehearsal.kube import Json
from rehearsal.region.fleet_ports import SimInstance
from rehearsal.rest.mirror import Seen
from rehearsal.world import World

GPU = "nvidia.com/gpu"


@dataclass
class Life:
    """One machine's moments, in simulated seconds since the story's start; None for what did not happen."""

    launched: float = 0.0
    offered: float | None = None
    """Its Node first offered GPUs: from here on it could be admitted."""
    ended: float | None = None
    """EC2 was told to end it."""
    forgotten: float | None = None
    """Its Node was gone."""


@dataclass
class Witness:
    """The rehearsal's view; `meet` is called when the story begins."""

    say: Callable[[str], None]
    old: dict[str, Life] = field(default_factory=dict)
    new: dict[str, Life] = field(default_factory=dict)
    """By the Node's name, in the order of their launch."""
    names: dict[str, str] = field(default_factory=dict)
    """The Nodes' names by the instances' ids."""
    now: Callable[[], float] = float

    def phase(self, text: str) -> None:
        """Say what is being done now."""
        self.say(text)

    def watch(self, chronicle: Chronicle, waiting: Callable[[], str]) -> None:
        """Nothing: the world itself is watched."""

    def meet(self, world: World) -> None:
        """Look at the machines that there are, and have each change told from now on."""
        self.now = lambda: world.clock.now() - world.scenario.epoch
        for node in list(world.mirror.nodes.values()):
            self.old[node["metadata"]["name"]] = Life()
            self.names[node["spec"]["providerID"].rpartition("/")[2]] = node["metadata"]["name"]
        world.fleet.compute.launched.append(self._launched)
        world.fleet.compute.shutting_down.append(self._ended)
        world.mirror.subscribe(self._seen)

    def newcomers(self) -> Sequence[Life]:
        """Those that came into use, in the order of their launch."""
        return [life for life in self.new.values() if life.offered is not None]

    def _launched(self, machine: SimInstance) -> None:
        self.names[machine.instance_id] = machine.private_dns
        self.new[machine.private_dns] = Life(launched=self.now())

    def _ended(self, instance_id: str) -> None:
        life = self._life(self.names.get(instance_id, ""))
        if life is not None:
            life.ended = self.now()

    def _seen(self, seen: Seen) -> None:
        if seen.kind != "node" or (life := self._life(seen.object["metadata"]["name"])) is None:
            return
        if seen.after is None:
            life.forgotten = self.now()
        elif life.offered is None and _offers(seen.after):
            life.offered = self.now()

    def _life(self, name: str) -> Life | None:
        return self.new.get(name) or self.old.get(name)


def _offers(node: Json) -> bool:
    return int(node.get("status", {}).get("allocatable", {}).get(GPU, 0)) > 0
