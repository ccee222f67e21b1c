"""Why a node is not closed yet, and how long that is waited for before the run gives up.

Nothing is done to the node meanwhile, and the clocks of its drain do not run: they begin when it is closed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.drain import AFTER_DEADLINE
from gpuops.domain.rotation.patience import LONGEST
from gpuops.domain.rotation.waiting import wait_seconds

Kind = Literal["protected", "repair", "gang", "budget"]
FOR_BUDGET = timedelta(days=7)
"""A slot is freed by other nodes, whose training may run for days."""

ALTOGETHER = timedelta(days=60)
"""Whatever a node waits for one after the other: the task of an execution has an end, too."""


class Held(BaseModel):
    """Since when the node waits for the same thing."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    since: AwareDatetime
    first: AwareDatetime
    """Since when it waits at all."""

    def later(self, lost: timedelta) -> Self:
        """Return it as if so much time had not passed."""
        return self.model_copy(update={"since": self.since + lost, "first": self.first + lost})


@dataclass(frozen=True)
class Hold:
    """What the node waits for, in words."""

    kind: Kind
    why: str


@dataclass(frozen=True)
class Wait:
    """One look at a node that is held."""

    held: Held
    reason: str
    overdue: bool
    wait_seconds: int


def decide_hold(hold: Hold, before: Held | None, policy: GroupPolicy, now: datetime) -> Wait:
    """Wait on, as long as the policy's patience with what holds the node lasts; another kind of hold begins anew."""
    first = before.first if before else now
    held = before if before and before.kind == hold.kind else Held(kind=hold.kind, since=now, first=first)
    end = min(held.since + hold_patience(hold.kind, policy), held.first + ALTOGETHER)
    reason = f"not closed yet: {hold.why}; waits since {held.since.isoformat()}, until {end.isoformat()} at the latest"
    return Wait(held, reason, now >= end, wait_seconds(held.since, now, end))


def hold_patience(kind: Kind, policy: GroupPolicy) -> timedelta:
    """Return how long a hold may last: a gang, and whatever an annotation protects, gets what training gets."""
    if kind == "budget":
        return FOR_BUDGET
    drain = policy.drain
    grace = LONGEST if drain.after_grace == "wait" else timedelta(hours=policy.job_grace_hours)
    more = AFTER_DEADLINE if drain.on_deadline == "wait" else timedelta(0)
    return grace + timedelta(minutes=drain.deadline_minutes) + more
