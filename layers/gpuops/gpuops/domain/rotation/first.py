"""When an old node may go before its successor is there: what capacity that cannot grow leaves of a roll.

Terminating the old instance without decrement is what makes Auto Scaling launch the new one: into the place that just
became free. Until that one is admitted the group is a node short, so how many may be out at once is counted here, and
nothing is counted on that is not in service now.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gpuops.domain.cluster import Node
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.group import Group


@dataclass(frozen=True)
class Limits:
    """How far the group may shrink while it rolls, in nodes."""

    out: int
    """Out of service at a time."""
    floor: int
    """In service, whatever happens."""


def in_service(group: Group, nodes: Iterable[Node]) -> frozenset[str]:
    """Return the instances that take workload: in service, their node Ready, admitted, and cordoned by nobody."""
    good = {node.instance for node in nodes if node.ready and not node.pending and not node.unschedulable}
    return frozenset(instance.id for instance in group.staying if instance.in_service and instance.id in good)


def why_not_out(
    group: Group, undo: Undo, claims: Sequence[Claim], serving: Collection[str], limits: Limits, *, old: str = ""
) -> str | None:
    """Return why no further old node, `old` where it is chosen, may be taken out of service now, or None.

    Old instances with a claim are as good as gone, but for those that have come back on another root volume. A newcomer
    counts once it is claimed: until then a slot may take it for an old one that serves, and nothing would be won. So a
    claim never changes the count; only going first does. Who does not serve takes nothing away.
    """
    out = sum(claim.out for claim in claims if claim.stage == undo.stage)
    if out >= limits.out:
        return f"{out} nodes are out of service already"
    claimed = {claim.new for claim in claims}
    free = {instance.id for instance in group.staying if undo.is_new(instance) and instance.id not in claimed}
    left = len(set(serving) - ({claim.old for claim in claims} - claimed) - free)
    if left - 1 < limits.floor and (not old or old in serving):
        return f"{left} nodes are in service; with one less there were fewer than {limits.floor}"
    return None
