"""Two runs of apply_gpu_config on one cluster: the newer one goes on, and inherits how long was waited already."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

SILENCE = timedelta(minutes=30)
"""Who waits looks at least every quarter of an hour; a run that was silent for longer is dead, and its waiting too."""


class Turn(BaseModel):
    """Where the run stands whose turn it is, or was last."""

    model_config = ConfigDict(frozen=True)

    holder: str
    """ARN of the execution."""
    policy: str
    """Version of the policy it goes by."""
    at: AwareDatetime
    """Of its last look."""
    started: AwareDatetime | None = None
    """Since when it waits; None where it does not, or has ended."""


def waits_since(before: Turn | None, policy: str, now: datetime) -> datetime | None:
    """Since when a new run counts as waiting, if not from now: runs that relieve each other would wait for ever."""
    if before is None or before.policy != policy or now - before.at > SILENCE:
        return None
    return before.started
