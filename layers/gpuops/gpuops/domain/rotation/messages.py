"""What the functions of a rotation hand to each other through the state machine.

The models stand in one place, because the next function parses what the last one answered.
"""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.halt import Rest
from gpuops.domain.rotation.plan import Decision
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Run

RELEASE_DETECTED = "GPU AMI Release Detected"
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


class Order(BaseModel):
    """What wakes a rotation: our own event, or the same four words from a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    group: str
    ami: str | None = None
    release: str | None = None
    old_amis: tuple[str, ...] = ()
    """Every other image that the group ran or would have launched; for whoever else listens."""
    announced: bool = False
    """Whether it is our own event, which names every release, and not a person's word."""

    @property
    def insists(self) -> bool:
        """Whether a person has named the AMI: then a verdict of before does not hold it back."""
        return self.ami is not None and not self.announced

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        """Take the detail out of an EventBridge envelope; any other event is not for us."""
        if not isinstance(value, dict) or "detail-type" not in value:
            return {k: v for k, v in value.items() if k != STARTED_BY} if isinstance(value, dict) else value
        if value["detail-type"] != RELEASE_DETECTED:
            raise ValueError(f"detail-type is {value['detail-type']!r}, expected {RELEASE_DETECTED!r}")
        detail = value.get("detail")
        return {**detail, "announced": True} if isinstance(detail, dict) else detail


class RotationPlan(Decision):
    """The decision, with whose it is and where it leads."""

    run: Run
    target: Target


class Begun(BaseModel):
    """begin_rotation's answer: the group is taken, and whether the run goes on now."""

    status: Literal["go", "wait", "ask"]
    reason: str
    wait_seconds: int = 0
    """Before the next plan, if it waits."""
    expires: AwareDatetime | None = None
    expires_seconds: int = 0
    """Until when an approval is waited for, if it asks for one."""


class Change(BaseModel):
    """An open change: the number under which it may act, and the new launch template versions."""

    status: str = "open"
    reason: str
    fence: int
    template: Template
    """The main one, for people; which instances are new is read from the originals in the table."""
    surge: int
    into: str | None = None
    """The Auto Scaling group in which newcomers come, where it is another one than that of the old instances."""


class Opening(BaseModel):
    """open_change's answer: the change, or what it waits for before anything is written down."""

    status: Literal["open", "waiting"]
    reason: str
    fence: int | None = None
    template: Template | None = None
    surge: int | None = None
    into: str | None = None
    since: AwareDatetime | None = None
    """Of the waiting, from its first answer on."""
    wait_seconds: int = 20


ClaimStatus = Literal["claimed", "taken", "in_place", "filled", "waiting", "gone", "stopped", "overdue", "condemned"]
"""`taken`: the old node goes first; `in_place`: it stays, on another root volume; `filled`: its successor is there, or
it is back; `condemned`: the release is bad."""


class ClaimAnswer(Rest):
    """Where the claim stands."""

    status: ClaimStatus
    reason: str
    slot: str
    """The place in the plan, whichever instance it turns out to replace."""
    instance: str | None = None
    """The old instance that this slot replaces, once it is chosen."""
    decrement: bool | None = None
    """Whether the group shrinks when that one goes, once it is chosen."""
    node: str | None = None
    """The new node, once claimed."""
    started: AwareDatetime
    deadline: AwareDatetime
    lacking: AwareDatetime | None = None
    """Since when an instance has been missing for want of capacity."""
    wait_seconds: int = 0
    """Before the next call, if it is still waiting."""
