"""Whether a group is told of a release, and whether it is told again.

A telling is no promise: its run may be planned only, held by a gate, or fail, and AWS may take a release back. So what
decides is the group's state, and a release that it does not run is told once a day.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Mode

TELL_AGAIN = timedelta(hours=24)
"""Often enough for whoever forgot it, seldom enough for whoever only observes."""


Standing = Literal["seen", "withdrawn", "older"]
"""Nothing against it; taken back by who published it; older than what the group runs."""


class SeenRelease(BaseModel):
    """When a release was first seen for a group, and how it stands."""

    model_config = ConfigDict(frozen=True)

    target: Target
    seen: AwareDatetime
    """When it was first seen; of one that was taken back and came again, when it came again."""
    status: Standing = "seen"
    why: str = ""
    """It stands as it does."""


class Told(BaseModel):
    """What a group was told last."""

    model_config = ConfigDict(frozen=True)

    ami: str
    mode: Mode
    at: datetime


class Condemned(BaseModel):
    """A release that proved to be bad in a group: it is not rolled there again until a person orders it by name."""

    model_config = ConfigDict(frozen=True)

    target: Target
    at: datetime
    run: str
    why: str

    @property
    def reason(self) -> str:
        """What the gate says."""
        return f"{self.target.release} ({self.target.ami}) proved to be bad in run {self.run}: {self.why}"


def is_news(
    release: SeenRelease, running: frozenset[str], policy: GroupPolicy, told: Told | None, now: datetime
) -> bool:
    """Whether to announce the release: not while it is held, and not to a group that runs it or may not go to it.

    Again only where the last telling was of another release, in another mode, or a day ago. `running` has every image
    that the group runs or would launch.
    """
    held = now < release.seen + timedelta(days=policy.hold_days)
    barred = release.status != "seen" and not policy.allow_downgrade
    if held or barred or running == {release.target.ami}:
        return False
    same = told is not None and (told.ami, told.mode) == (release.target.ami, policy.mode)
    return told is None or not same or now - told.at >= TELL_AGAIN
