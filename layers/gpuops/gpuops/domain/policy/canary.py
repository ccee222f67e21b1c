"""What fleet.yaml may say about the proof of a release: canary, bake, alarms, and the way back."""

from typing import Annotated

from pydantic import Field

from gpuops.domain.policy.parts import Part

AlarmName = Annotated[str, Field(min_length=1, max_length=255)]


class Canary(Part):
    """The first nodes of a roll: replaced before all others, and watched under their workload."""

    nodes: Annotated[int, Field(ge=0, le=10)] = 1
    """How many, the idlest first; 0 rolls the group at once."""
    bake_minutes: Annotated[int, Field(ge=0, le=2880)] = 10
    """How long they are watched. Each look costs nine of the 25,000 events of an execution's history."""
    alarms: Annotated[tuple[AlarmName, ...], Field(max_length=10)] = ()
    """CloudWatch alarms, composite ones too, that must not ring while the group rolls; one that does not exist fails
    the roll."""
    alarm_tag: Annotated[str, Field(pattern=r"^[^=]{1,128}=.{0,256}$")] | None = None
    """`key=value`: every alarm with this tag as well; that none has it fails the roll."""
    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 3
    """So often may a pod's containers restart on a canary; more only where its sisters on old nodes crash, too."""

    @property
    def watches_alarms(self) -> bool:
        """Whether there is any alarm to ask about."""
        return bool(self.alarms or self.alarm_tag)


class RollBack(Part):
    """What becomes of nodes that already run a release which proved to be bad."""

    on_failure: bool = True
    """Replace them by nodes of the version before; otherwise they stay as they are, and only the group's settings are
    put back."""
    regression_hours: Annotated[float, Field(ge=0, le=720)] = 24
    """So long after a roll a fault of a GPU counts against the release that it brought; 0 never."""
    regression_percent: Annotated[float, Field(gt=0, le=100)] = 20
    """With so many percent of the release's nodes faulty, and two at least, it is not rolled again by itself, and
    people are asked to take it back."""
