"""End the change of one node's configuration: keep it, or put the old one back; lift our cordon, free the group.

Nobody waits for the old configuration to hold again: pods that come too early are placed elsewhere. What is wrong with
the node is counted, so that a second failure stops the group; what is wrong with us is not. A node that changes beside
others leaves them the group; once all are settled it is freed by a call that names no node. Failures of one batch count
once: one configuration was tried at one time.

In:  {"run": {...}, "node"?, "instance"?, "together"?, "key", "turn", "relabel"?: {...}, "check"?: {...},
      "error"?: {...}, "now": "..."}
Out: {"status": "kept" | "returned" | "restored" | "freed" | "left", "reason"}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.admission.answers import Checked, Failure
from gpuops.domain.run import Run
from gpuops.domain.slicing.answers import Relabelled, Settled
from gpuops.entry import entry
from gpuops.slots import give_slot_back
from gpuops.smokes import take_config_back


class SettleNode(BaseModel):
    """In: what each step before said, as far as they came."""

    run: Run
    node: str | None = None
    """None for the group alone, whose nodes are settled."""
    instance: str = ""
    together: bool = False
    """Whether other nodes of the group change meanwhile, under the same lock."""
    key: str
    turn: int
    relabel: Relabelled | None = None
    check: Checked | None = None
    error: Failure | None = None

    @property
    def fault(self) -> str | None:
        """Why the new configuration may not stay; None where nothing is wrong with it."""
        if self.error is not None:
            return f"{self.error.name}: {self.error.reason}"
        return self.check.reason if self.check is not None and self.check.status != "ready" else None

    @property
    def blamed(self) -> bool:
        """Whether it is the configuration that failed on the node, and not a right, an API or a lost race of ours."""
        return self.error is None or self.error.name == "Unhealthy"

    @property
    def changed(self) -> bool:
        """Whether the node got as far as a new configuration."""
        return self.relabel is not None and self.relabel.status == "configured"


@entry(SettleNode)
def handler(request: SettleNode, now: datetime) -> Settled:
    """Settle; a second call finds nothing of the run any more and answers the same."""
    return settle(request, now, World())


def settle(request: SettleNode, now: datetime, world: World) -> Settled:
    """A run that has lost the group touches nothing: `reconcile` has put its node back."""
    run, fault, name = request.run, request.fault, request.node
    if name is None:
        return _free(run, world)
    lock = world.store.lock("lock", run.group)
    if lock is not None and lock.owner == run.execution:
        _settle(request, name, now, world)
    node = world.cluster(run.cluster).node(name)
    if fault is None and not request.changed:
        return Settled(status="returned", reason=request.relabel.reason if request.relabel else "nothing was changed")
    if fault is None and node is not None and node.config == request.key:
        return Settled(status="kept", reason=f"{name} has {request.key}")
    lost = "gone" if node is None else f"back to {node.config or 'no configuration'}"
    return Settled(status="restored", reason=f"{name} is {lost}: {fault or 'its group was lost meanwhile'}")


def _free(run: Run, world: World) -> Settled:
    """Let the group go, unless a node could not be settled: by a dead run's lock reconcile finds that one."""
    closed = sorted(node.name for node in world.cluster(run.cluster).nodes() if node.cordoned_by == run.id)
    if closed:
        return Settled(status="left", reason=f"{', '.join(closed)} closed still: the way back or reconcile ends that")
    _let_go(run, world)
    return Settled(status="freed", reason=f"{run.group} is free")


def _let_go(run: Run, world: World) -> None:
    world.budgets.give_all_back(run.execution)
    world.store.release("lock", run)
    world.store.forget_if_free(run.group)


def _settle(request: SettleNode, name: str, now: datetime, world: World) -> None:
    """The configuration first, so that no pod comes to a node that is about to change once more."""
    run, fault = request.run, request.fault
    keeps = fault is None and request.changed
    cluster = world.cluster(run.cluster)
    node = cluster.node(name)
    if node is not None and node.cordoned_by == run.id:
        if keeps:
            cluster.label_config(node, request.key)
        else:
            take_config_back(run, node, world, cluster)
        cluster.uncordon(node)
    if request.together:
        give_slot_back(run, request.instance, world)
    if keeps and not request.together:
        world.memory.forget_failures("sharing", run.group)
    elif fault is not None and request.blamed:
        of = f"{run.id}/{request.turn}" if request.together else f"{run.id}/{name}/{request.turn}"
        world.memory.count_failure("sharing", run.group, now, fault, of=of)
    if not request.together:
        _let_go(run, world)
