"""What happens in a scenario, and what wakes the machine under rehearsal."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rehearsal.scenario.faults import EventFault, Interruption, WireFault
from rehearsal.scenario.kinds import known_kind
from rehearsal.scenario.parts import AmiId, Fault, Name, Part, Seconds
from rehearsal.scenario.signals import AlarmState, Message


class Start(Part):
    """An execution started by hand, as `sam remote invoke` would."""

    machine: str
    input: dict[str, Any] = Field(default_factory=dict)


class Scale(Part):
    """Somebody changes a Deployment's replicas."""

    deployment: Name
    namespace: Name = "default"
    replicas: int = Field(ge=0)


class Named(Part):
    """An object of the cluster; the namespace is of no account where its kind has none."""

    kind: Annotated[str, AfterValidator(known_kind)]
    namespace: str = "default"
    name: str


class Patch(Named):
    """Somebody merges this into an object, under this field manager's name."""

    patch: dict[str, Any]
    manager: str = "kubectl-edit"


class RemoveTaint(Part):
    """Somebody takes a taint off the first node of a group."""

    group: Name
    key: str


class MachineFault(Part):
    """From now on this instance of the group, counted from 0 in order of launch, has these faults and no others."""

    group: Name
    index: int = Field(default=0, ge=0)
    faults: tuple[Fault, ...] = ()
    """Besides those of its release and its board; an empty list heals it."""

    @model_validator(mode="after")
    def _can_begin(self) -> Self:
        if "never_registers" in self.faults:
            raise PydanticCustomError("fault", "a machine that runs has registered: use a release's faults")
        return self


class ReplaceRootVolume(Part):
    """Auto Scaling gives the group's first instance in service a new root volume, as an instance refresh does."""

    group: Name
    ami: AmiId | None = None
    """The operator makes a version of the launch template with this image first; else the newest one is taken."""


class Steer(Part):
    """An operator's word, handed on as the CLI does: about each run of a machine that is under way, or about all."""

    wish: Literal["approve", "reject", "pause", "resume", "cancel", "stop", "start"]
    machine: str | None = None
    """Not for stop and start."""
    reason: str = ""
    roll_back: bool = False

    @model_validator(mode="after")
    def _about(self) -> Self:
        if self.wish in {"stop", "start"} and self.machine is not None:
            raise PydanticCustomError("steer", "{wish} is about all of them", {"wish": self.wish})
        if self.wish not in {"stop", "start"} and self.machine is None:
            raise PydanticCustomError("steer", "{wish} is about the runs of a machine", {"wish": self.wish})
        return self


class Withdrawal(Part):
    """AWS takes a release back: its parameters name the one before again."""

    ami: AmiId
    image: Literal["kept", "deprecated", "gone"] = "kept"
    """What becomes of the image itself."""


class Bounds(Part):
    """New sizes between which a group may be, as Terraform or a person sets them; the one left out stays."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class Moment(Part):
    """One thing that happens at a simulated second."""

    at: Seconds
    event: dict[str, Any] | None = None
    """An EventBridge envelope (or the name of a file with one) put on the default bus. In its texts, as in an
    execution's input, `{instance:GROUP/0}` and `{node:GROUP/0}` name an instance of a group, in order of launch."""
    message: Message | None = None
    fault: WireFault | None = None
    abort: str | None = None
    """Stops every running execution of this machine."""
    interrupt: Interruption | None = None
    events: EventFault | None = None
    start: Start | None = None
    steer: Steer | None = None
    capacity: dict[str, dict[str, int]] | None = None
    """New capacity: zone → instance type → instances; below zero, others get so many of those that come free next."""
    scale: Scale | None = None
    desired: dict[Name, Annotated[int, Field(ge=0)]] | None = None
    """By group, the size that somebody asks for, as Cluster Autoscaler does."""
    limits: dict[Name, Bounds] | None = None
    """By group, the minimum and maximum that somebody sets."""
    terminate: Name | None = None
    """Takes the first instance in service from this group; Auto Scaling launches another."""
    policy: str | None = None
    """The text of a fleet.yaml that is uploaded, good or bad."""
    delete: Named | None = None
    patch: Patch | None = None
    remove_taint: RemoveTaint | None = None
    machine_fault: MachineFault | None = None
    replace_root_volume: ReplaceRootVolume | None = None
    alarm: AlarmState | None = None
    withdraw: Withdrawal | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if len(self.model_fields_set - {"at"}) != 1:
            kinds = ", ".join(name for name in type(self).model_fields if name != "at")
            raise PydanticCustomError("moment", "give exactly one of {kinds}", {"kinds": kinds})
        return self

    @property
    def group(self) -> str | None:
        """The group that the moment is about, if it is about one."""
        about = self.remove_taint or self.machine_fault or self.replace_root_volume
        return about.group if about else self.terminate


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
