"""What an event comes to: faults to act on, or why there is nothing to act on."""

from typing import Any, Literal

from aws_lambda_powertools.utilities.parser.models.event_bridge import EventBridgeModel
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from gpuops.domain.faults.fault import GpuFault

State = Literal["fault", "recovered", "unclear", "muted", "ask", "rebalance", "ignored"]
"""`recovered`: an alarm is OK again; `unclear`: it has no data, which is neither health nor fault; `ask`: it names
other alarms, or series, that have to be looked up; `rebalance`: a pool's load wants a look; `ignored`: nothing about
GPUs, or nothing yet."""


class Envelope(EventBridgeModel):
    """EventBridge's envelope, with what real events deviate in: one resource may stand there without its list."""

    time: AwareDatetime

    @field_validator("resources", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class Detail(BaseModel):
    """The part of an event that its service writes: what we read of it is strict, what we do not may change."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Signal(BaseModel):
    """One event, read."""

    model_config = ConfigDict(frozen=True)

    source: str
    detail_type: str
    at: AwareDatetime
    state: State
    reason: str
    faults: tuple[GpuFault, ...] = ()
    """Of a muted signal, what it would have been; of one that is `recovered`, what is over."""
    alarm: str = ""
    """Name of the alarm, where it is one; of a contributor, `alarm/contributor`."""
    ask: tuple[str, ...] = Field(default=(), max_length=100)
    """Names of alarms whose own state says what is wrong, and where."""
    group: str = ""
    """The pool whose load an alarm tells of."""
    deadline: AwareDatetime | None = None
    """Of what has to be asked for: when AWS takes it."""

    @property
    def source_of_faults(self) -> str:
        """How an incident names who spoke of it."""
        return f"alarm {self.alarm}" if self.alarm else self.detail_type
