"""Have nodes bear as many taints as the plan says, none where no plan wants any.

Three only make kube-scheduler prefer other nodes; with the fourth no further pod comes. No pod has to go for any
of them, which is why nobody takes a lock, closes a node or proves it afterwards.

In:  {"slicing": {"cluster", "marks": {node: taints}}, "now": "..."}
Out: {"status": "marked" | "stopped", "reason"}
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gpuops.adapters.world import World
from gpuops.domain.keys import MARKS
from gpuops.entry import entry


class Wanted(BaseModel):
    """What plan_slicing said."""

    cluster: str
    marks: dict[str, Annotated[int, Field(ge=0, le=len(MARKS))]]


class MarkNodes(BaseModel):
    """In."""

    slicing: Wanted


class Marked(BaseModel):
    """Out."""

    model_config = ConfigDict(frozen=True)

    status: Literal["marked", "stopped"]
    reason: str


@entry(MarkNodes)
def handler(request: MarkNodes, now: datetime) -> Marked:
    """Mark; a second call finds every node as it should be."""
    del now  # a taint has no time
    return mark(request.slicing, World())


def mark(wanted: Wanted, world: World) -> Marked:
    """One node after the other; one that is gone has nothing to bear. Raises: Unavailable, Refused."""
    if stop := world.wishes.stop():
        return Marked(status="stopped", reason=stop.said)
    cluster = world.cluster(wanted.cluster)
    for name, marks in sorted(wanted.marks.items()):
        cluster.mark(name, marks)
    return Marked(status="marked", reason=f"{len(wanted.marks)} nodes bear other taints than before")
