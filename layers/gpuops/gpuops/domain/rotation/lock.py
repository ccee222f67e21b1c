"""Who holds a group, and when a dead holder's lock may be taken."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from gpuops.domain.run import Run

LONGEST_FUNCTION = timedelta(seconds=900)
"""Lambda's ceiling: an invocation that began before its execution ended may act until then."""


class Lock(BaseModel):
    """One holder of one group."""

    model_config = ConfigDict(frozen=True)

    run: Run
    at: datetime
    fence: int
    """Grows with each holder, so that one who lost the lock can tell."""
    waits: bool = False
    """Of `rotation`: the run waits for a date or a person, so whoever needs the group meanwhile may have it."""

    @property
    def owner(self) -> str:
        """ARN of the root execution."""
        return self.run.execution


class Execution(BaseModel):
    """What Step Functions knows of an owner."""

    model_config = ConfigDict(frozen=True)

    running: bool
    ended: datetime | None = None
    """None while it runs, or when Step Functions no longer knows it."""
    given: str = ""
    """Its input, as JSON; empty where it is not known."""


def is_dead(since: datetime, execution: Execution, now: datetime) -> bool:
    """Whether nothing that an owner, who holds since then, started can act any more."""
    return not execution.running and now - (execution.ended or since) >= LONGEST_FUNCTION
