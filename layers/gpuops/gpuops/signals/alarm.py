"""The models of CloudWatch's alarm events: what we read of them is strict, what we do not read may change.

Shapes: Amazon CloudWatch User Guide, "Alarm events and EventBridge".
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from gpuops.signals.signal import Detail

Value = Literal["ALARM", "OK", "INSUFFICIENT_DATA"]


class AlarmState(Detail):
    """Where an alarm stands, and CloudWatch's words for why."""

    value: Value
    reason: str = ""
    reason_data: str = Field(alias="reasonData", default="")
    timestamp: AwareDatetime | None = None
    suppressed_by: str = Field(alias="actionsSuppressedBy", default="")


class Metric(Detail):
    """A metric by name and dimensions."""

    name: str = ""
    namespace: str = ""
    dimensions: dict[str, str] = Field(default_factory=dict)


class MetricStat(Detail):
    """What is done with it."""

    metric: Metric = Metric()


class Query(Detail):
    """One metric or expression of an alarm."""

    stat: MetricStat | None = Field(alias="metricStat", default=None)
    expression: str = ""


class Configuration(Detail):
    """What the alarm looks at."""

    description: str = ""
    metrics: tuple[Query, ...] = ()
    rule: str = Field(alias="alarmRule", default="")
    """Of a composite alarm."""


class Contributor(Detail):
    """One series of a multi-series alarm."""

    id: str
    attributes: dict[str, str] = Field(default_factory=dict)


class Alarm(Detail):
    """`detail` of either event."""

    name: Annotated[str, Field(alias="alarmName", min_length=1, max_length=255)]
    state: AlarmState
    configuration: Configuration = Configuration()
    contributor: Contributor | None = Field(alias="alarmContributor", default=None)
    mute: dict[str, Any] | None = Field(alias="muteDetail", default=None)


class Trigger(Detail):
    """An alarm below a composite one."""

    arn: str
    state: AlarmState


class Triggers(Detail):
    """reasonData of a composite alarm."""

    alarms: tuple[Trigger, ...] = Field(alias="triggeringAlarms", default=())
