"""One update of a managed node group, from step to step, as EKS describes it in its user guide.

DEFAULT adds the larger of twice its zones and maxUnavailable, waits until all newcomers are Ready, closes the old
nodes, then drains and terminates them, maxUnavailable at a time. MINIMAL terminates first and adds nothing. Either
way a node's pods get fifteen minutes (user guide, "Understand each phase of node updates").
Leaves out: random order (the oldest goes first), load balancers, the look at Cluster Autoscaler. The surplus leaves
with the last old nodes; EKS launches a successor for each, and lets Auto Scaling shrink the group afterwards. What a
failed update leaves behind, the guide does not say: here the nodes that are left are opened again, and sizes stay.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rehearsal.region.autoscaling_model import Member
from rehearsal.region.eks.hands import Hands
from rehearsal.region.eks.model import Nodegroup

SETUP_SECONDS = 30.0
LOOK_SECONDS = 20.0
NODE_PATIENCE_SECONDS = 900.0
"""How long newcomers may take to become Ready; EKS does not publish its own."""
EVICTION_SECONDS = 900.0
DEREGISTER_SECONDS = 60.0
"""Between a node's last pod and its termination."""


class UpdateError(Exception):
    """EKS gives up: its own error code, message, and the things it is about."""

    def __init__(self, code: str, message: str, resources: list[str]) -> None:
        super().__init__(message)
        self.shown = {"errorCode": code, "errorMessage": message, "resourceIds": resources}


def drive(hands: Hands, key: str, steps: Iterator[float], done: Callable[[UpdateError | None], None]) -> None:
    """Take one step after the other, each as many seconds later as the one before says."""

    def step() -> None:
        try:
            pause = next(steps)
        except StopIteration:
            done(None)
        except UpdateError as error:
            done(error)
        else:
            hands.timers.call_later(pause, key, step)

    step()


@dataclass
class Rolling:
    """An update to one image."""

    hands: Hands
    nodegroup: Nodegroup
    ami: str
    force: bool

    def steps(self) -> Iterator[float]:
        """Yield the pauses between its steps. Raises: UpdateError."""
        yield SETUP_SECONDS
        settings = dict(self.hands.group(self.nodegroup).settings)
        size, unavailable = int(settings["DesiredCapacity"]), self.nodegroup.unavailable(settings["DesiredCapacity"])
        self.hands.retarget(self.nodegroup, self.ami)
        if self.nodegroup.update_config.get("updateStrategy", "DEFAULT") == "DEFAULT":
            yield from self._surge(unavailable, settings["MaxSize"], size)
        while batch := self.hands.old(self.nodegroup)[:unavailable]:
            yield from self._replace(batch, size)
        yield from self._until_ready()
        self.hands.change(self.nodegroup, MaxSize=settings["MaxSize"])

    def _surge(self, unavailable: int, most: int, size: int) -> Iterator[float]:
        more = max(2 * len(self.hands.group(self.nodegroup).zones), unavailable)
        self.hands.change(self.nodegroup, MaxSize=most + more, DesiredCapacity=size + more)
        yield from self._until_ready()
        self.hands.cordon(self.hands.old(self.nodegroup), on=True)

    def _until_ready(self) -> Iterator[float]:
        waited = 0.0
        while not self.hands.newcomers_ready(self.nodegroup):
            if waited >= NODE_PATIENCE_SECONDS:
                why = "Couldn't proceed with upgrade process as new nodes are not joining node group"
                raise UpdateError(
                    "NodeCreationFailure", f"{why} {self.nodegroup.name}", self.hands.unready(self.nodegroup)
                )
            waited += LOOK_SECONDS
            yield LOOK_SECONDS

    def _replace(self, batch: list[Member], size: int) -> Iterator[float]:
        """Drain these nodes at the same time, and terminate them once all are empty."""
        self.hands.cordon(batch, on=True)
        yield from self._drain(batch)
        yield DEREGISTER_SECONDS
        for member in batch:
            surplus = self.hands.group(self.nodegroup).desired > size
            self.hands.terminate(member, decrement=surplus)
        yield LOOK_SECONDS
        yield from self._until_ready()

    def _drain(self, batch: list[Member]) -> Iterator[float]:
        waited = 0.0
        names = [self.hands.node(member) for member in batch]
        while left := [name for name in names if self.hands.nodes.evict(name, force=False)]:
            if waited >= EVICTION_SECONDS:
                self._give_up(left)
                return
            waited += LOOK_SECONDS
            yield LOOK_SECONDS

    def _give_up(self, nodes: list[str]) -> None:
        """A forced update deletes what would not go; any other one fails."""
        if not self.force:
            why = "Reached max retries while trying to evict pods from nodes in node group"
            raise UpdateError("PodEvictionFailure", f"{why} {self.nodegroup.name}", nodes)
        for name in nodes:
            self.hands.nodes.evict(name, force=True)
