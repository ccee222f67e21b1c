"""Which instance an event is about, and whether it is ours to admit.

Three kinds arrive: an Auto Scaling launch lifecycle action (older captures lack Origin, Destination and metadata;
a test notification lacks nearly everything), a successful launch, and our own {"group", "instance"} from `reconcile`
or by hand. Delivery is best effort and may repeat, so nothing here depends on order.
"""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import HOOK_PREFIX

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
LIFECYCLE_ACTION = "EC2 Instance-launch Lifecycle Action"
LAUNCHED = "EC2 Instance Launch Successful"
TEST = "autoscaling:TEST_NOTIFICATION"
WARM_POOL = "WarmPool"
REPLACE_ROOT = "ReplaceRootVolume"

M = TypeVar("M", bound=BaseModel)


class Hook(BaseModel):
    """The lifecycle hook that holds the instance back until we answer."""

    model_config = ConfigDict(frozen=True)

    name: str
    group: str
    token: str | None = None
    """Without it Auto Scaling finds the action by the instance."""
    heartbeat_seconds: int | None = None
    """How long it waits for a word from us; no event tells."""


class Launch(BaseModel):
    """An instance that somebody launched."""

    model_config = ConfigDict(frozen=True)

    group: str
    instance: str
    hook: Hook | None = None
    told: Literal["action", "launched", "asked"] = "asked"
    """By a lifecycle action, by a successful launch, or by `reconcile` or a person: only these come one at a time."""
    replaces_root: bool = False
    """It is in service, and gets a new root volume: its pods have to go first."""


class Ignored(BaseModel):
    """An event that asks nothing of us, and why."""

    model_config = ConfigDict(frozen=True)

    reason: str


class _Action(BaseModel):
    """`detail` of a launch lifecycle action."""

    group: str = Field(alias="AutoScalingGroupName", min_length=1, max_length=255)
    instance: str = Field(alias="EC2InstanceId", pattern=r"^i-[0-9a-f]{8,17}$")
    hook: str = Field(alias="LifecycleHookName", min_length=1, max_length=255)
    token: str | None = Field(alias="LifecycleActionToken", default=None)
    transition: Literal["autoscaling:EC2_INSTANCE_LAUNCHING"] = Field(alias="LifecycleTransition")
    destination: str = Field(alias="Destination", default="AutoScalingGroup")
    action: str | None = Field(alias="Action", default=None)


class _Launched(BaseModel):
    """`detail` of a successful launch."""

    group: str = Field(alias="AutoScalingGroupName", min_length=1, max_length=255)
    instance: str = Field(alias="EC2InstanceId", pattern=r"^i-[0-9a-f]{8,17}$")


class _OnDemand(BaseModel):
    """Our own input; `cluster` is for the reader."""

    model_config = ConfigDict(extra="forbid")

    group: str = Field(min_length=1, max_length=255)
    instance: str = Field(pattern=r"^i-[0-9a-f]{8,17}$")
    cluster: str | None = None


def read_event(event: Any) -> Launch | Ignored:
    """What the event asks. Raises: Invalid, naming the field, when it is none that we know."""
    if not isinstance(event, dict):
        raise Invalid("event: expected an object")
    detail = event.get("detail")
    if "detail-type" not in event:
        ours = _parse(_OnDemand, {k: v for k, v in event.items() if not k.startswith("AWS_STEP_FUNCTIONS")}, "event")
        return Launch(group=ours.group, instance=ours.instance)
    if isinstance(detail, dict) and detail.get("Event") == TEST:
        return Ignored(reason="a test notification of Auto Scaling")
    if event["detail-type"] == LAUNCHED:
        launched = _parse(_Launched, detail, "event.detail")
        return Launch(group=launched.group, instance=launched.instance, told="launched")
    if event["detail-type"] != LIFECYCLE_ACTION:
        raise Invalid(f"event.detail-type: {str(event['detail-type'])[:80]!r} is no launch")
    return _of_action(_parse(_Action, detail, "event.detail"))


def launch_of(event: Any) -> Launch | None:
    """Whose launch the event tells of; None where it asks nothing of us, or cannot be read."""
    try:
        launch = read_event(event)
    except Invalid:
        return None
    return launch if isinstance(launch, Launch) else None


def replaces_root(event: Any) -> bool:
    """Whether a running instance waits for a new root volume: either answer to its hook would end its pods."""
    launch = launch_of(event)
    return launch is not None and launch.replaces_root


def _of_action(action: _Action) -> Launch | Ignored:
    if action.destination == WARM_POOL:
        return Ignored(reason=f"{action.instance} goes to a warm pool: it is admitted when it leaves it")
    if not action.hook.startswith(HOOK_PREFIX):
        return Ignored(reason=f"hook {action.hook} is not ours: ours begin with {HOOK_PREFIX}")
    hook = Hook(name=action.hook, group=action.group, token=action.token)
    replaces = action.action == REPLACE_ROOT
    return Launch(group=action.group, instance=action.instance, hook=hook, told="action", replaces_root=replaces)


def _parse(model: type[M], value: Any, where: str) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = (f"{'.'.join([where, *map(str, fault['loc'])])}: {fault['msg']}" for fault in error.errors()[:5])
        raise Invalid("; ".join(faults)) from error
