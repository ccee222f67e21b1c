"""Events that start an admission: real shapes, shapes with parts missing, and those that ask nothing of us."""

from typing import Any

import pytest

from gpuops.domain.admission.event import Hook, Ignored, Launch, launch_of, read_event
from gpuops.domain.errors import Invalid

INSTANCE = "i-0123456789abcdef0"
DETAIL = {
    "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
    "AutoScalingGroupName": "gpu",
    "LifecycleHookName": "gpuops-admit",
    "EC2InstanceId": INSTANCE,
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
}
OPTIONAL = {"NotificationMetadata": "x", "Origin": "EC2", "Destination": "AutoScalingGroup"}


def event(detail: Any, kind: str = "EC2 Instance-launch Lifecycle Action") -> dict[str, Any]:
    """An EventBridge envelope."""
    return {"version": "0", "source": "aws.autoscaling", "detail-type": kind, "detail": detail}


@pytest.mark.parametrize("extra", [{}, OPTIONAL, {"Action": "ReplaceRootVolume"}])
def test_a_launch_lifecycle_action_names_instance_and_hook(extra: dict[str, str]) -> None:
    """Older captures lack the optional fields, newer ones have more than we know."""
    launch = read_event(event({**DETAIL, **extra}))

    hook = Hook(name="gpuops-admit", group="gpu", token=DETAIL["LifecycleActionToken"])
    replaces = "Action" in extra
    assert launch == Launch(group="gpu", instance=INSTANCE, hook=hook, told="action", replaces_root=replaces)


def test_a_missing_token_is_no_fault() -> None:
    """Auto Scaling also finds the action by its instance."""
    detail = {key: value for key, value in DETAIL.items() if key != "LifecycleActionToken"}

    launch = read_event(event(detail))

    assert isinstance(launch, Launch)
    assert launch.hook == Hook(name="gpuops-admit", group="gpu")


def test_a_successful_launch_needs_no_hook() -> None:
    """Its StatusCode is InProgress, of all things."""
    detail = {"EC2InstanceId": INSTANCE, "AutoScalingGroupName": "gpu", "StatusCode": "InProgress", "Details": {}}

    launch = read_event(event(detail, "EC2 Instance Launch Successful"))

    assert launch == Launch(group="gpu", instance=INSTANCE, told="launched")


def test_reconcile_and_people_name_the_instance_themselves() -> None:
    """Step Functions adds a key of its own to a child's input."""
    ours = {"cluster": "demo", "group": "gpu", "instance": INSTANCE, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "x"}

    assert read_event(ours) == Launch(group="gpu", instance=INSTANCE)


@pytest.mark.parametrize(
    ("detail", "says"),
    [
        ({"Event": "autoscaling:TEST_NOTIFICATION", "AutoScalingGroupName": "gpu"}, "test notification"),
        ({**DETAIL, **OPTIONAL, "Destination": "WarmPool"}, "warm pool"),
        ({**DETAIL, "LifecycleHookName": "team-b-hook"}, "hook team-b-hook is not ours"),
    ],
)
def test_some_events_ask_nothing_of_us(detail: dict[str, str], says: str) -> None:
    """Each with a word, for whoever wonders why nothing happened."""
    ignored = read_event(event(detail))

    assert isinstance(ignored, Ignored)
    assert says in ignored.reason
    assert launch_of(event(detail)) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "event: expected an object"),
        ({}, "event.group: Field required"),
        ({"group": "gpu", "instance": INSTANCE, "goup": "x"}, "event.goup: Extra inputs"),
        (event(DETAIL, "EC2 Instance-terminate Lifecycle Action"), "is no launch"),
        (event({**DETAIL, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}), "LifecycleTransition"),
        (event({**DETAIL, "EC2InstanceId": "i-1; rm"}), "event.detail.EC2InstanceId"),
        (event({**DETAIL, "EC2InstanceId": 7}), "event.detail.EC2InstanceId"),
        (event("text"), "event.detail"),
        (event(None), "event.detail"),
    ],
)
def test_a_malformed_event_is_invalid_and_the_field_named(given: Any, says: str) -> None:
    """Never retried: the message is all that the operator gets."""
    with pytest.raises(Invalid) as error:
        read_event(given)

    assert says in str(error.value)
    assert launch_of(given) is None
