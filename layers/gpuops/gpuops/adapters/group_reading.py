"""How Auto Scaling and EC2 describe a group, as the decisions see it.

A group of the policy is one Auto Scaling group, or several: those of the managed node groups between which it moves.
"""

from collections.abc import Sequence
from typing import Any

from gpuops.domain.rotation.group import NODEGROUP_TAG, Group, Home, Instance, Template

Raw = dict[str, Any]
ATTACHED = ("LoadBalancerNames", "TargetGroupARNs", "TrafficSources", "WarmPoolConfiguration")
"""What hangs on a group of Auto Scaling's, and on no other that EKS makes like it."""


def read_group(name: str, raws: Sequence[Raw], machines: dict[str, Raw]) -> Group:
    """Return one group as the decisions see it; `raws` are its Auto Scaling groups, the newest of them last."""
    lead = raws[-1]
    return Group(
        name=name,
        max=sum(raw["MaxSize"] for raw in raws),
        desired=sum(raw["DesiredCapacity"] for raw in raws),
        instances=tuple(read_instance(item, machines, raw) for raw in raws for item in raw["Instances"]),
        launch=_launch(lead),
        suspended=_suspended(lead),
        protects_new=lead.get("NewInstancesProtectedFromScaleIn", False),
        tags=tags_of(lead),
        subnets=tuple(filter(None, lead.get("VPCZoneIdentifier", "").split(","))),
        homes=tuple(_home(raw) for raw in raws),
    )


def tags_of(raw: Raw) -> dict[str, str]:
    """Return the tags of what EC2 or Auto Scaling described."""
    return {item["Key"]: item.get("Value", "") for item in raw.get("Tags", [])}


def _home(raw: Raw) -> Home:
    tags = tags_of(raw)
    return Home(
        name=raw["AutoScalingGroupName"],
        nodegroup=tags.get(NODEGROUP_TAG, ""),
        min=raw["MinSize"],
        max=raw["MaxSize"],
        desired=raw["DesiredCapacity"],
        suspended=_suspended(raw),
        launch=_launch(raw),
        tags=tags,
        attached=tuple(key for key in ATTACHED if raw.get(key)),
    )


def _suspended(raw: Raw) -> frozenset[str]:
    return frozenset(item["ProcessName"] for item in raw.get("SuspendedProcesses", []))


def read_instance(item: Raw, machines: dict[str, Raw], raw: Raw) -> Instance:
    """Return an instance of an Auto Scaling group; its launch template is named by id and number."""
    spec, machine = item.get("LaunchTemplate"), machines.get(item["InstanceId"], {})
    return Instance(
        id=item["InstanceId"],
        zone=item["AvailabilityZone"],
        lifecycle=item["LifecycleState"],
        ami=machine.get("ImageId", ""),
        template=Template(id=spec["LaunchTemplateId"], version=str(spec["Version"])) if spec else None,
        protected=item.get("ProtectedFromScaleIn", False),
        launched=machine.get("LaunchTime"),
        host=machine.get("PrivateDnsName", ""),
        home=raw["AutoScalingGroupName"],
    )


def _launch(raw: Raw) -> dict[str, Any]:
    """What the group launches, as an update takes it: by id alone, because id and name together are refused."""
    kept = {key: raw[key] for key in ("LaunchTemplate", "MixedInstancesPolicy") if raw.get(key)}
    return _without_names(kept)  # type: ignore[no-any-return]


def _without_names(value: Any) -> Any:
    """The value without the names of launch templates that are named by id as well."""
    if isinstance(value, list):
        return [_without_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    by_id = "LaunchTemplateId" in value
    return {k: _without_names(v) for k, v in value.items() if not (by_id and k == "LaunchTemplateName")}
