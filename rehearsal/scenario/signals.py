"""Moments in which something speaks: an alarm, or a message in a queue."""

from typing import Literal

from pydantic import Field

from rehearsal.scenario.parts import AlarmName, Name, Part


class AlarmState(Part):
    """A CloudWatch alarm of the scenario changes its state."""

    name: AlarmName
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"] = "ALARM"
    value: float | None = None
    """The newest value of its metric."""
    series: dict[Name, int] = Field(default_factory=dict)
    """Of an alarm with a query: so many nodes of these groups, from the first on, each a series of its own."""
    muted: bool | None = None
    """From now on: whether a mute rule covers it."""


class Message(Part):
    """Somebody sends this text to a queue of the stack, by its logical name."""

    queue: str
    body: str
