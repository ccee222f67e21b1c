"""The events that Auto Scaling puts on the bus, in the words of its event reference.

Two things trip consumers up and are therefore kept: a successful launch says StatusCode "InProgress", and a new hook
is announced by a test notification without an instance. Leaves out: warm pools, instance refresh, SNS and SQS targets.
"""

from typing import Any

from rehearsal.region.autoscaling_model import LAUNCHING, Activity, Group, Hook, Member, Wait
from rehearsal.region.fleet_ports import ACCOUNT, REGION, Emit, uuid_of

SOURCE = "aws.autoscaling"
REFRESH = {"Origin": "AutoScalingGroup", "Destination": "AutoScalingGroup", "Action": "ReplaceRootVolume"}
"""An instance of the group stays in it and only gets another root volume."""


class Announcer:
    """Builds each event and hands it to the bus."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def lifecycle_action(self, group: Group, member: Member, wait: Wait) -> None:
        """An instance waits for somebody to complete its lifecycle action."""
        detail: dict[str, Any] = {
            "LifecycleActionToken": wait.token,
            "AutoScalingGroupName": group.name,
            "LifecycleHookName": wait.hook.name,
            "EC2InstanceId": member.instance_id,
            "LifecycleTransition": wait.hook.transition,
            **(REFRESH if member.refreshing else _ends(wait.hook.transition == LAUNCHING)),
        }
        if wait.hook.metadata is not None:
            detail["NotificationMetadata"] = wait.hook.metadata
        self._emit(SOURCE, _lifecycle(wait.hook), detail, [group.arn])

    def hook_put(self, group: Group, hook: Hook) -> None:
        """The test notification."""
        notice = "autoscaling:TEST_NOTIFICATION"
        self._emit(SOURCE, _lifecycle(hook), {"Event": notice, "LifecycleTransition": notice}, [group.arn])

    def ended(self, group: Group, activity: Activity, instance_id: str, *, launch: bool, well: bool) -> None:
        """A launch or a termination is over."""
        verb, outcome = "Launch" if launch else "Terminate", "Successful" if well else "Unsuccessful"
        detail = _outcome(group, activity, instance_id, launch=launch, well=well)
        resources = [group.arn]
        if instance_id:
            resources.append(f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance_id}")
        self._emit(SOURCE, f"EC2 Instance {verb} {outcome}", detail, resources)


def _outcome(group: Group, activity: Activity, instance_id: str, *, launch: bool, well: bool) -> dict[str, Any]:
    shown = activity.shown()
    end = shown["EndTime"] or shown["StartTime"]
    return {
        "StatusCode": "InProgress" if well else "Failed",
        "Description": activity.description,
        "AutoScalingGroupName": group.name,
        "ActivityId": activity.activity_id,
        "Details": {"Availability Zone": activity.zone, "Subnet ID": activity.subnet},
        "RequestId": uuid_of(activity.activity_id, "request"),
        "StatusMessage": activity.message,
        "StartTime": _text(shown["StartTime"]),
        "EndTime": _text(end),
        "EC2InstanceId": instance_id,
        "Cause": activity.cause,
        **_ends(launch),
    }


def _ends(launch: bool) -> dict[str, str]:  # noqa: FBT001 - one word of the event
    here, there = ("EC2", "AutoScalingGroup") if launch else ("AutoScalingGroup", "EC2")
    return {"Origin": here, "Destination": there}


def _lifecycle(hook: Hook) -> str:
    return f"EC2 Instance-{'launch' if hook.transition == LAUNCHING else 'terminate'} Lifecycle Action"


def _text(time: Any) -> str:
    return str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))
