"""Asking whether a faulty node would get a successor, before anything on it is disturbed."""

from collections.abc import Sequence
from datetime import datetime

from gpuops.adapters.world import World
from gpuops.domain.cluster import Node
from gpuops.domain.faults.answers import Repair
from gpuops.domain.faults.prospect import Doubt, Prospect, why_no_successor
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.capacity import why_scarce
from gpuops.domain.rotation.launch import templates_of
from gpuops.domain.rotation.strategy import RECENT


def lacks(request: Repair, nodes: Sequence[Node], policy: GroupPolicy, now: datetime, world: World) -> Doubt | None:
    """Return why the node must not go yet, or None; of a dead node nothing is asked: it serves nobody.

    Raises: Unavailable, Refused, Invalid.
    """
    if request.diagnose is None or request.diagnose.action != "replace" or request.isolate.silent:
        return None
    group = world.groups.describe(policy.group)
    well = {node.instance for node in nodes if node.ready and not node.pending and node.instance != request.instance}
    since = max([now - RECENT, *(one.launched for one in group.staying if one.launched is not None)])
    templates = templates_of(group.launch)
    data = world.templates.read(templates[0]).data if templates else {}
    return why_no_successor(
        Prospect(
            desired=group.desired,
            present=len(group.staying),
            launches="Launch" not in group.suspended,
            serving=sum(one.in_service and one.id in well for one in group.staying),
            floor=policy.floor.of(group.desired, policy.surge),
            reservation=world.rooms.reservation(data),
            scarce=why_scarce(world.groups.last_failure(policy.group, since)),
        )
    )
