"""What an Auto Scaling group is made of, and how AWS shows it; nothing here acts.

Settings keep AWS's own keys as they were sent, so that Describe returns what Create and Update said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rehearsal.region.fleet_ports import ACCOUNT, REGION, uuid_of

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
PROCESSES = ("Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck")
PROCESSES += ("InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions")  # type: ignore[assignment]


@dataclass
class Activity:
    """One entry of DescribeScalingActivities."""

    activity_id: str
    group: "Group"
    description: str
    cause: str
    zone: str
    subnet: str
    start: float
    status: str = "InProgress"
    message: str = ""
    end: float | None = None

    def close(self, status: str, now: float, message: str = "") -> None:
        """The attempt is over."""
        self.status, self.end, self.message = status, now, message or self.message

    def shown(self) -> dict[str, Any]:
        """As AWS describes it."""
        return {
            "ActivityId": self.activity_id,
            "AutoScalingGroupName": self.group.name,
            "AutoScalingGroupARN": self.group.arn,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": _time(self.start),
            "EndTime": None if self.end is None else _time(self.end),
            "StatusCode": self.status,
            "StatusMessage": self.message or None,
            "Progress": 0 if self.end is None else 100,
            "Details": f'{{"Subnet ID":"{self.subnet}","Availability Zone":"{self.zone}"}}',
        }


@dataclass
class Hook:
    """A lifecycle hook."""

    name: str
    transition: str
    heartbeat: int = 3600
    default: str = "ABANDON"
    metadata: str | None = None
    role: str | None = None
    target: str | None = None

    @property
    def patience(self) -> int:
        """Heartbeats or not, no action lasts longer (48 hours or 100 heartbeats)."""
        return min(172_800, 100 * self.heartbeat)

    def shown(self, group: "Group") -> dict[str, Any]:
        """As AWS describes it."""
        return {
            "LifecycleHookName": self.name,
            "AutoScalingGroupName": group.name,
            "LifecycleTransition": self.transition,
            "NotificationTargetARN": self.target,
            "RoleARN": self.role,
            "NotificationMetadata": self.metadata,
            "HeartbeatTimeout": self.heartbeat,
            "GlobalTimeout": self.patience,
            "DefaultResult": self.default,
        }


@dataclass
class Wait:
    """A lifecycle action that somebody has to complete."""

    hook: Hook
    token: str
    until: float
    timer: Any = None


@dataclass
class Member:
    """An instance as its group knows it."""

    instance_id: str
    instance_type: str
    zone: str
    image: str
    template: dict[str, str]
    launched: float
    activity: Activity
    protected: bool
    state: str = "Pending"
    healthy: bool = True
    waits: list[Wait] = field(default_factory=list)
    refreshes: int = 0
    """How often its root volume was replaced."""
    refreshing: bool = False

    @property
    def leaving(self) -> bool:
        """On its way out: it no longer counts towards the desired capacity."""
        return self.state.startswith("Terminating")

    @property
    def serving(self) -> bool:
        """Nothing more to wait for."""
        return self.state == "InService"

    def shown(self) -> dict[str, Any]:
        """As DescribeAutoScalingGroups lists it."""
        return {
            "InstanceId": self.instance_id,
            "InstanceType": self.instance_type,
            "AvailabilityZone": self.zone,
            "LifecycleState": self.state,
            "HealthStatus": "Healthy" if self.healthy else "Unhealthy",
            "LaunchTemplate": dict(self.template),
            "ProtectedFromScaleIn": self.protected,
        }


@dataclass
class Group:
    """An Auto Scaling group; `failures` counts launches in vain since the last one that worked."""

    name: str
    settings: dict[str, Any]
    zones: list[str]
    created: float
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    launches: int = 0
    failures: int = 0
    rebalancing: str | None = None
    lopsided_since: float | None = None
    next_look: tuple[float, Any] | None = None

    @property
    def arn(self) -> str:
        """The id in the middle is made from the name."""
        group_id = uuid_of("asg", self.name)
        return f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:{group_id}:autoScalingGroupName/{self.name}"

    @property
    def desired(self) -> int:
        """DesiredCapacity."""
        return int(self.settings["DesiredCapacity"])

    @property
    def present(self) -> list[Member]:
        """Members that count towards the desired capacity."""
        return [member for member in self.members.values() if not member.leaving]

    def runs(self, *processes: str) -> bool:
        """None of these processes is suspended."""
        return not any(process in self.suspended for process in processes)

    def hooks_on(self, transition: str) -> Iterable[Hook]:
        """The hooks that hold an instance up at this point."""
        return [hook for hook in self.hooks.values() if hook.transition == transition]

    def shown(self) -> dict[str, Any]:
        """As AWS describes it."""
        return {
            **self.settings,
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.arn,
            "AvailabilityZones": list(self.zones),
            "CreatedTime": _time(self.created),
            "Instances": [member.shown() for member in self.members.values()],
            "Tags": list(self.tags.values()),
            "SuspendedProcesses": [{"ProcessName": k, "SuspensionReason": v} for k, v in self.suspended.items()],
        }


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
