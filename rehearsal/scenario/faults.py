"""What goes wrong around a story: on the wire, on the way of an event, or because somebody stops an execution."""

from typing import Annotated, Literal

from pydantic import Field

from rehearsal.scenario.parts import Part, Seconds

CallFault = Literal[
    "throttle", "error_5xx", "reset_before", "reset_after", "slow", "access_denied", "killed", "timed_out", "twice"
]
"""What may become of a call; the wire knows how (`rehearsal/wire/faults.py`)."""


class WireFault(Part):
    """Breaks the calls that match: `times` of them from the `nth` on (the first is 1), without `nth` every one."""

    kind: CallFault
    """The last three end the function that makes the call once it is carried out, or run an invocation's event twice
    (`caller` is the function, `service` lambda, `action` Invoke)."""
    caller: str | None = None
    service: str | None = None
    action: str | None = None
    nth: int | None = Field(default=None, ge=1)
    times: int = Field(default=1, ge=1)
    seconds: Annotated[float, Field(gt=0)] | None = None
    """For `slow` only: real seconds, since timeouts of SDK calls are real."""
    persists: bool = False
    """Each further try that an SDK makes of a struck call is struck, too: the caller hears of it."""
    lasts_seconds: Annotated[float, Field(gt=0)] | None = None
    """It is over after so many simulated seconds."""


class EventFault(Part):
    """From now on events that match are lost, come twice, or `seconds` late, or bear a time so much earlier.

    `source` and `detail_type` are shell wildcards.
    """

    kind: Literal["lost", "twice", "late", "skewed"]
    source: str = "*"
    detail_type: str = "*"
    seconds: Annotated[float, Field(gt=0)] = 300


class Interruption(Part):
    """Stops an execution of the machine from outside as it enters the state, at the `nth` time from this moment on."""

    machine: str
    state: str
    nth: int = Field(default=1, ge=1)
    again: Seconds | None = None
    """So many seconds later the machine is started once more, with the same input."""
    redriven: Seconds | None = None
    """So many seconds later the execution itself is redriven, from the state that it did not leave."""
