"""Which node changes its configuration next, out of what a look at all of them found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.waiting import wait_seconds
from gpuops.domain.slicing.answers import Selected
from gpuops.domain.slicing.change import Change

AT_ONCE = 10
"""So many nodes of a group change together, once one of them has proved the change."""
MAX_TOLD = 10
"""A payload travels through every state: the rest is counted."""
SHORTEST_SECONDS = 60
"""Pods end by themselves: nobody waits at the door for it."""


@dataclass(frozen=True)
class Look:
    """What a look at one group found: each node that waits, and what keeps the group from being changed at all."""

    group: GroupPolicy
    changes: Sequence[Change] = ()
    held: str | None = None

    def told(self, status: str) -> list[str]:
        """The reasons of its nodes in that state."""
        return [change.reason for change in self.changes if change.status == status]


@dataclass(frozen=True)
class Choice:
    """Where the whole stands once no node can be changed at this moment."""

    status: Literal["waiting", "overdue", "held", "done"]
    reason: str
    wait_seconds: int = 20


def most_at_once(before: Selected | None, group: str, key: str, room: int) -> int:
    """How many nodes of the group may take the configuration now, of so many that the fleet's budget has room for.

    The first one goes alone. `before` is what the run selected last, and what did not fail.
    """
    proved = before is not None and before.run is not None and (before.run.group, before.key) == (group, key)
    return max(1, min(AT_ONCE, room)) if proved else 1


def decide_rest(looks: Sequence[Look], started: datetime, now: datetime) -> Choice:
    """No node can be changed now: wait for pods as long as the most patient group does; else say why, or be done."""
    waiting = [reason for look in looks for reason in look.told("waiting")]
    held = [look.held for look in looks if look.held]
    left = [reason for look in looks for reason in look.told("left")]
    if waiting:
        minutes = max(look.group.sharing_wait_minutes for look in looks if look.told("waiting"))
        deadline = started + timedelta(minutes=minutes)
        if now < deadline:
            pause = max(wait_seconds(started, now, deadline), SHORTEST_SECONDS)
            return Choice("waiting", _told(waiting), pause)
        return Choice("overdue", f"{_told([*waiting, *held])}; waited until {deadline.isoformat()}")
    if held:
        return Choice("held", _told(held))
    return Choice("done", _told(["no node is left to change", *left]))


def _told(reasons: Sequence[str]) -> str:
    more = len(reasons) - MAX_TOLD
    return "; ".join(reasons[:MAX_TOLD]) + (f"; and {more} more" if more > 0 else "")
