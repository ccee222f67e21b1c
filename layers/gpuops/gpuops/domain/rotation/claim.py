"""Which new node stands in for which old one.

An old node is drained only once a new one is ready for it alone: two old nodes that wait for the same newcomer
would take the group below its size.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Group, Instance


class Claim(BaseModel):
    """One new instance, taken for one old one."""

    model_config = ConfigDict(frozen=True)

    group: str
    run: str
    old: str
    new: str
    node: str
    """Name of the new instance's Node."""


def claimable(group: Group, undo: Undo, taken: Iterable[str], zone: str) -> list[Instance]:
    """Return the new instances that nobody has claimed, the old node's zone first: its volumes can follow there."""
    claimed = set(taken)
    free = [i for i in group.staying if undo.is_new(i) and i.in_service and i.id not in claimed]
    return sorted(free, key=lambda instance: (instance.zone != zone, instance.id))
