"""What happens in a scenario, and what must hold at its end."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rehearsal.scenario.parts import Name, Part, Seconds


class WireFault(Part):
    """Breaks the calls that match: `times` of them from the `nth` on (the first is 1), without `nth` every one."""

    kind: Literal["throttle", "error_5xx", "reset_before", "reset_after", "slow", "access_denied"]
    caller: str | None = None
    service: str | None = None
    action: str | None = None
    nth: int | None = Field(default=None, ge=1)
    times: int = Field(default=1, ge=1)
    seconds: Annotated[float, Field(gt=0)] | None = None
    """For `slow` only: real seconds, since timeouts of SDK calls are real."""


class Start(Part):
    """An execution started by hand, as `sam remote invoke` would."""

    machine: str
    input: dict[str, Any] = Field(default_factory=dict)


class Scale(Part):
    """Somebody changes a Deployment's replicas."""

    deployment: Name
    namespace: Name = "default"
    replicas: int = Field(ge=0)


class Moment(Part):
    """One thing that happens at a simulated second."""

    at: Seconds
    event: dict[str, Any] | None = None
    """An EventBridge envelope (or the name of a file with one) put on the default bus."""
    fault: WireFault | None = None
    abort: str | None = None
    """Stops every running execution of this machine."""
    start: Start | None = None
    capacity: dict[str, dict[str, int]] | None = None
    """New capacity: zone → instance type → instances."""
    scale: Scale | None = None
    terminate: Name | None = None
    """Takes the first instance in service from this group; Auto Scaling launches another."""
    policy: str | None = None
    """The text of a fleet.yaml that is uploaded, good or bad."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if len(self.model_fields_set - {"at"}) != 1:
            kinds = ", ".join(name for name in type(self).model_fields if name != "at")
            raise PydanticCustomError("moment", "give exactly one of {kinds}", {"kinds": kinds})
        return self


class Trigger(Part):
    """What wakes the machine under rehearsal; `schedule` means that the template's own schedules do."""

    kind: Literal["schedule", "event", "execution"] = "schedule"
    at: Seconds = 0
    event: dict[str, Any] | None = None
    machine: str | None = None
    input: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "event" and self.event is None:
            raise PydanticCustomError("trigger", "a trigger of kind event needs `event`")
        if self.kind == "execution" and self.machine is None:
            raise PydanticCustomError("trigger", "a trigger of kind execution needs `machine`")
        return self


class ExpectedExecution(Part):
    """How the executions of one machine must end; `count` of them when given, else at least one."""

    machine: str
    status: Literal["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]
    count: int | None = Field(default=None, ge=0)
    error: str | None = None
    cause: str = ""
    """Part of the cause."""


class Expect(Part):
    """What must hold at the end, besides everything the observer forbids in any scenario."""

    executions: tuple[ExpectedExecution, ...] = ()
    nodes_replaced: int | None = Field(default=None, ge=0)
    floor_gpus: int = Field(default=0, ge=0)
    """Ready admitted GPUs must never be fewer than this, once they have been that many."""
    evictions: int | None = Field(default=None, ge=0)
    evictions_refused: int = Field(default=0, ge=0)
    """At least so many: how often a drain asks depends on how long it must."""
    jobs_finished: tuple[str, ...] = ()
