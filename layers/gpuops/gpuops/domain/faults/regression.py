"""Whether faults after a roll are the doing of the release that it brought, in words that say how to take it back.

A bad release is not always seen while it bakes. So nodes that fall ill within hours of a roll, of what a driver can
cause, are counted together; one alone is a board of its own.
"""

import json
import shlex
from collections.abc import Collection
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.faults.fault import GpuFault, Kind
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.target import Target

BLAMED: tuple[Kind, ...] = ("xid", "memory", "link", "hardware")
"""Heat and power are the place's, interruptions and maintenance are AWS's."""
LEAST = 2


class Rolled(BaseModel):
    """The last roll of a group that came to its end, and what became of its nodes."""

    model_config = ConfigDict(frozen=True)

    target: Target
    at: AwareDatetime
    """When it was closed."""
    run: str
    before: str = ""
    """The image that the group launched until then; empty where nobody says."""
    faulty: frozenset[str] = frozenset()
    """Instances of the release that fell ill."""


def may_be_its_doing(rolled: Rolled, fault: GpuFault, ami: str, policy: GroupPolicy, now: datetime) -> bool:
    """Whether the fault of a node with this image counts against the roll."""
    recent = now < rolled.at + timedelta(hours=policy.roll_back.regression_hours)
    return recent and ami == rolled.target.ami and fault.kind in BLAMED


def regression_of(rolled: Rolled, running: Collection[str], policy: GroupPolicy) -> str | None:
    """Say that the release looks bad, and how to go back, or None; `running`: the group's instances with its image."""
    all_of_it = {*running, *rolled.faulty}
    ill, share = len(rolled.faulty), policy.roll_back.regression_percent
    if ill < LEAST or ill * 100 < share * len(all_of_it):
        return None
    what = f"{rolled.target.release} ({rolled.target.ami})"
    since = f"run {rolled.run} rolled it, until {rolled.at.isoformat()}"
    return f"{ill} of {len(all_of_it)} nodes on {what} had faults since {since}. {_way_back(rolled, policy)}"


def _way_back(rolled: Rolled, policy: GroupPolicy) -> str:
    """The command, where it is known whereto; the verdict keeps the release from being rolled a second time."""
    if not rolled.before:
        return "It is not rolled again by itself; to go back, order the release before it by name"
    order = {"cluster": policy.cluster, "group": policy.group, "ami": rolled.before}
    text = f"echo {shlex.quote(json.dumps(order))} > back.json && gpuops run rotate_ami --event back.json --watch"
    return f"It is not rolled again by itself; to go back: {text}"
