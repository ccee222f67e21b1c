"""Why a gate is closed: apart from the gates, so that those of one subject can stand in a module of their own."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Closed:
    """Why a gate is closed, and whether time opens it."""

    reason: str
    until: datetime | None = None
    """When it opens by itself; None where somebody has to act first."""
    planned: bool = False
    """Only the clock is waited for, so the plan behind the gate is told, and may be approved meanwhile."""
    never: bool = False
    """The plan can never be right, however long one waits: it is rejected instead of held."""
    holder: str | None = None
    """Name of the run that has the group, where that is why."""
