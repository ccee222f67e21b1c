"""When failures in a row stop a group, for how long, and who may go on.

Closed: nothing stands in the way. Open: so many failures in a row that one more would only cost. Half-open: the pause
is over; one more failure opens it again, one success forgets them all.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

Kind = Literal["launch", "sharing"]
"""New instances of the group that were abandoned; changes of its nodes' sharing that were taken back."""
KINDS: tuple[Kind, ...] = ("launch", "sharing")
LAUNCH_SUSPENDED = "LaunchSuspended"
"""The metric that the template's alarm watches, by name: groups whose Launch we suspended."""
SHARING_LIMIT = 2
"""A configuration that failed on two nodes is to blame, not the nodes."""


class Breaker(BaseModel):
    """Failures in a row of one kind in one group; there is none where the last attempt went well."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    group: str
    failures: int
    last: AwareDatetime
    why: str
    """The last failure's reason."""
    opened: AwareDatetime | None = None
    """Since when it is open, or was when it became half-open."""
    opened_by: str = ""
    """Name of the execution that opened it: it tells people, and tells them again when it is repeated."""
    suspended: bool = False
    """Whether it was we who suspended the group's Launch; what an operator suspended, we never resume."""
    closed: bool = False
    """An operator closed it while Launch was suspended: reconcile resumes Launch and forgets the failures."""


def opens(breaker: Breaker, limit: int) -> bool:
    """Whether this many failures open it; a half-open one opens again with each."""
    return not breaker.suspended and (breaker.opened is not None or breaker.failures >= limit)


def resumes(breaker: Breaker, pause: timedelta, now: datetime) -> bool:
    """Whether Launch, which we suspended, may run again."""
    if not breaker.suspended or breaker.opened is None:
        return False
    return breaker.closed or now >= breaker.opened + pause


def holds(breaker: Breaker | None, limit: int) -> str | None:
    """Why nothing more is tried, or None; for a breaker that stays open until an operator closes it."""
    if breaker is None or breaker.failures < limit:
        return None
    return f"{breaker.failures} failures in a row, the last one: {breaker.why}"
