"""Looks for new nodes that nobody admits: their events were lost, or their executions died."""

from datetime import datetime, timedelta

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.errors import gather
from gpuops.domain.policy import GroupPolicy

MARGIN = timedelta(minutes=20)
"""Past the deadline of an admission, none can still be running."""


class Admission(BaseModel):
    """What `admit_node` takes, and the execution's name: two ticks that mean the same attempt start one."""

    cluster: str
    group: str
    instance: str
    name: str


def lost_admissions(
    groups: tuple[GroupPolicy, ...], now: datetime, world: World
) -> tuple[list[Admission], list[Exception]]:
    """New nodes that wait for longer than any admission runs; with the faults of what could not be looked at."""
    return gather(lambda policy: lost_in(policy, now, world), groups)


def lost_in(policy: GroupPolicy, now: datetime, world: World) -> list[Admission]:
    """Instances of the group whose node keeps its startup taint for too long; EC2's launch time tells how long."""
    attempt = timedelta(minutes=policy.admission.deadline_minutes) + MARGIN
    staying = world.groups.describe(policy.group).staying
    old = {i.id: i.launched for i in staying if i.launched and i.launched < now - attempt}
    if not old:
        return []
    pending = [node for node in world.cluster(policy.cluster).nodes() if node.pending and node.instance in old]
    return [
        Admission(cluster=policy.cluster, group=policy.group, instance=node.instance, name=name)
        for node in pending
        if (name := _name(node, old[node.instance], attempt, now))
    ]


def _name(node: Node, launched: datetime, attempt: timedelta, now: datetime) -> str | None:
    """Name the attempt after its turn since the launch: each is over before the next one may begin.

    A node that is closed for a new root volume counts from when an execution last cared for it: its drain may take
    days. None where that is not long ago.
    """
    cared = datetime.fromisoformat(node.quarantined) if node.quarantined else launched
    if cared >= now - attempt:
        return None
    turn = f"{(now - cared) // attempt}"
    return f"leftover-{node.instance}-{turn}" + (f"-{int(cared.timestamp())}" if node.quarantined else "")
