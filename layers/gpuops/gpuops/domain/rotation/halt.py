"""What keeps a run from going on for now: a gate that time opens, a person's wish, the global stop.

A run that rests changes nothing and costs next to nothing; whatever it has in hand is finished first, unless it is the
global stop that holds it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.waiting import rest_seconds
from gpuops.domain.rotation.windows import next_opening, wall_clock
from gpuops.domain.rotation.wish import GlobalStop, Wish


class Rest(BaseModel):
    """What an answer that waits remembers, so that no deadline runs while the run rests."""

    resting: AwareDatetime | None = None
    """Since when it rests; None while it goes on."""

    def lost(self, now: datetime) -> timedelta:
        """Return how long it has rested by now, which is to be added to its deadlines."""
        return now - self.resting if self.resting else timedelta(0)


@dataclass(frozen=True)
class Halt:
    """Why the run rests."""

    reason: str
    since: datetime
    """When whoever halts it said so; of a date: now."""
    until: datetime | None = None
    """When that ends by itself; None where a person ends it."""

    def seconds(self, now: datetime) -> int:
        """Return the pause before the next look."""
        return rest_seconds(self.since, now, self.until)


def halt_of_stop(stop: GlobalStop | None) -> Halt | None:
    """Return what the global stop means to a step that has begun."""
    return Halt(stop.said, stop.at) if stop else None


def halt_of_wish(wish: Wish | None) -> Halt | None:
    """Return what the run's own wish means to a step that has not begun."""
    return Halt(wish.said, wish.at) if wish and wish.wish == "pause" else None


def halt_of_windows(policy: GroupPolicy, now: datetime) -> Halt | None:
    """Return what the group's windows mean to a step that has not begun."""
    opens = next_opening(policy.windows, policy.time_zone, now)
    if opens == now:
        return None
    return Halt(f"outside its windows until {wall_clock(policy.time_zone, opens)}", now, opens)
