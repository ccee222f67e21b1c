"""What keeps a run from going on for now: a gate that time opens, a person's wish, the global stop.

A run that rests changes nothing and costs next to nothing; whatever it has in hand is finished first.
"""

from dataclasses import dataclass
from datetime import datetime

from gpuops.domain.rotation.plan import Decision
from gpuops.domain.rotation.wish import GlobalStop, Wish


@dataclass(frozen=True)
class Halt:
    """Why the run rests."""

    reason: str
    until: datetime | None = None
    """When that ends by itself; None where a person ends it."""


def decide_halt(wish: Wish | None, stop: GlobalStop | None) -> Halt | None:
    """Return why no further step may be taken, or None. The stop is told first: it is about everybody."""
    if stop is not None:
        return Halt(stop.said)
    if wish is not None and wish.wish == "pause":
        return Halt(wish.said)
    return None


def decide_rest(plan: Decision, wish: Wish | None, stop: GlobalStop | None) -> Halt | None:
    """Return why a run that has changed nothing yet does not begin, or None: people first, then the plan."""
    if halt := decide_halt(wish, stop):
        return halt
    return Halt(plan.reason, plan.until) if plan.status == "wait" else None
