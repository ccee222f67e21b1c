"""Give a node back to the scheduler: lift our own cordon, and nobody else's; the run starts no further node.

In:  {"run": {...}, "instance": "i-...", "claim"?: {"status"}, "drain"?: {"node"}, "retire"?: {"status"}, "now": "..."}
Out: {"status": "returned", "reason", "node"}
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.world import World
from gpuops.domain.run import Run
from gpuops.entry import entry
from gpuops.slots import give_slot_back


class Hint(BaseModel):
    """What drain_node learnt, when it came that far."""

    node: str | None = None


class Claim(BaseModel):
    """What claim_node said, when it came that far; until an old node is chosen, `instance` is only the slot's name."""

    status: str = ""


class Retirement(BaseModel):
    """What retire_node said, when it came that far; afterwards the slot of a node that went first claims again."""

    status: str = ""


class Request(BaseModel):
    """In."""

    run: Run
    instance: str
    claim: Claim = Claim()
    drain: Hint = Hint()
    retire: Retirement = Retirement()
    replace: Any = None
    """What replace_root said, when it came that far: the slot of a node that stays claims again afterwards, too."""

    @property
    def has_node(self) -> bool:
        """Whether the slot has touched a node."""
        taken = self.claim.status in {"claimed", "taken", "in_place"}
        return taken or self.retire.status == "retired" or self.replace is not None


class Returned(BaseModel):
    """Out."""

    status: Literal["returned"] = "returned"
    reason: str
    node: str | None


def return_node(request: Request, world: World) -> Returned:
    """Stop the run first: each node after this one would wait for a newcomer that this failure has used up.

    A slot without a claim has touched no node; the one whose name it bears may be another slot's, at this moment.
    """
    if not request.has_node:
        world.store.stop(request.run, f"no node was claimed for slot {request.instance}")
        return Returned(reason="no node was claimed: there is none to give back", node=None)
    world.store.stop(request.run, f"{request.instance} was returned")
    if world.groups.describe(request.run.group).instance(request.instance) is None:
        return Returned(reason=f"{request.instance} is on its way out: its node stays cordoned", node=None)
    returned = give_back(request, world.cluster(request.run.cluster))
    give_slot_back(request.run, request.instance, world)
    return returned


def give_back(request: Request, cluster: Cluster) -> Returned:
    """Whatever the node was to us, afterwards it is nothing of ours."""
    node = cluster.node_of(request.instance, hint=request.drain.node or "")
    if node is None:
        return Returned(reason=f"{request.instance} has no node", node=None)
    if node.cordoned_by == request.run.id:
        cluster.uncordon(node)
        return Returned(reason="our cordon is lifted", node=node.name)
    holder = f"run {node.cordoned_by}" if node.cordoned_by else "somebody else"
    reason = f"cordoned by {holder}: left alone" if node.unschedulable else "it was not cordoned"
    return Returned(reason=reason, node=node.name)


@entry(Request)
def handler(request: Request, now: datetime) -> Returned:  # noqa: ARG001 - giving back takes no time
    """Lift the cordon that drain_node set."""
    return return_node(request, World())
