"""Whether a release is news for a group."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from gpuops.domain.rotation.gates import Target


class SeenRelease(BaseModel):
    """What is remembered of one release for one group."""

    model_config = ConfigDict(frozen=True)

    target: Target
    seen: datetime
    told: bool = False
    """Whether its event has gone out: once is enough, a failed run is started again by a person."""


def is_news(release: SeenRelease, running: frozenset[str], hold_days: int, now: datetime) -> bool:
    """Whether to announce the release: not while it is held, not twice, not when the group runs it already.

    `running` has every image that the group runs or would launch.
    """
    held = now < release.seen + timedelta(days=hold_days)
    return not (held or release.told or running == {release.target.ami})
