"""A group's settings: AWS's defaults, how an update merges, and which zones the subnets mean."""

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from rehearsal.region.autoscaling_checks import invalid
from rehearsal.region.compute_templates import Templates
from rehearsal.region.fleet_actions import Params

DEFAULTS: dict[str, Any] = {
    "DefaultCooldown": 300,
    "HealthCheckType": "EC2",
    "HealthCheckGracePeriod": 0,
    "NewInstancesProtectedFromScaleIn": False,
    "TerminationPolicies": ["Default"],
    "CapacityRebalance": False,
    "LoadBalancerNames": [],
    "TargetGroupARNs": [],
    "EnabledMetrics": [],
    "TrafficSources": [],
    "DeletionProtection": "none",
}
DISTRIBUTION = {
    "OnDemandAllocationStrategy": "prioritized",
    "OnDemandBaseCapacity": 0,
    "OnDemandPercentageAboveBaseCapacity": 100,
    "SpotAllocationStrategy": "lowest-price",
    "SpotInstancePools": 2,
}
_NOT_SETTINGS = ("AutoScalingGroupName", "Tags", "LifecycleHookSpecificationList", "SkipZonalShiftValidation")


def first_settings(templates: Templates, params: Params) -> dict[str, Any]:
    """Settings of a new group; without a desired capacity it starts at its minimum."""
    settings = {**DEFAULTS, "DesiredCapacity": params["MinSize"], **_sent(params)}
    return _with_template(templates, settings, {})


def changed_settings(templates: Templates, old: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """What was sent over what was there; a template pushes out a mixed policy, and the other way round."""
    sent = _sent(params)
    settings = {**old, **sent}
    if "LaunchTemplate" in sent:
        settings.pop("MixedInstancesPolicy", None)
    if "MixedInstancesPolicy" in sent:
        settings.pop("LaunchTemplate", None)
    if "DesiredCapacity" not in sent and settings["MinSize"] <= settings["MaxSize"]:
        settings["DesiredCapacity"] = min(max(old["DesiredCapacity"], settings["MinSize"]), settings["MaxSize"])
    return _with_template(templates, settings, old.get("MixedInstancesPolicy", {}))


def zones_of(settings: Mapping[str, Any], subnets: Mapping[str, str]) -> list[str]:
    """The zones of the group's subnets, or those it names itself."""
    wanted = [subnet for subnet in str(settings.get("VPCZoneIdentifier") or "").split(",") if subnet]
    zone_of = {subnet: zone for zone, subnet in subnets.items()}
    for subnet in wanted:
        if subnet not in zone_of:
            raise invalid(f"The subnet ID '{subnet}' does not exist")
    zones = [zone_of[subnet] for subnet in wanted] or list(settings.get("AvailabilityZones") or [])
    for zone in zones:
        if zone not in subnets:
            raise invalid(f"Invalid availability zones: [{zone}]")
    if not zones:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    return zones


def tags_of(tags: list[dict[str, Any]], group: str) -> dict[str, dict[str, Any]]:
    """Tags as they are described, by key."""
    return {
        tag["Key"]: {
            "ResourceId": group,
            "ResourceType": "auto-scaling-group",
            "Key": tag["Key"],
            "Value": tag.get("Value", ""),
            "PropagateAtLaunch": bool(tag.get("PropagateAtLaunch", False)),
        }
        for tag in tags
    }


def _sent(params: Params) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in _NOT_SETTINGS and value is not None}


def _with_template(templates: Templates, settings: dict[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """A template is described with id and name whichever was sent, and a mixed policy with its distribution."""
    if "LaunchTemplate" in settings:
        settings["LaunchTemplate"] = _named(templates, settings["LaunchTemplate"])
    mixed = settings.get("MixedInstancesPolicy")
    if mixed:
        inner = {**old.get("LaunchTemplate", {}), **mixed.get("LaunchTemplate", {})}
        inner["LaunchTemplateSpecification"] = _named(templates, inner["LaunchTemplateSpecification"])
        chosen = {**old.get("InstancesDistribution", DISTRIBUTION), **mixed.get("InstancesDistribution", {})}
        settings["MixedInstancesPolicy"] = {"LaunchTemplate": inner, "InstancesDistribution": chosen}
    return settings


def _named(templates: Templates, specification: Mapping[str, Any]) -> dict[str, Any]:
    try:
        template, _ = templates.resolve(specification)
    except ServiceException as error:
        raise invalid(f"You must use a valid fully-formed launch template. {error.message}") from error
    version = specification.get("Version") or "$Default"
    return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(version)}
