"""Operations that only look: groups, instances, activities; filters and pages as AWS has them."""

from typing import Any

from rehearsal.region.autoscaling_checks import group_of, invalid
from rehearsal.region.autoscaling_model import Group, Member
from rehearsal.region.autoscaling_world import World
from rehearsal.region.fleet_actions import Params, page

ACTIONS = (
    "describe_auto_scaling_groups",
    "describe_auto_scaling_instances",
    "describe_scaling_activities",
    "describe_policies",
    "describe_tags",
    "describe_instance_refreshes",
    "describe_warm_pool",
)


class DescribeActions:
    """The handlers; each is called under the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def describe_auto_scaling_groups(self, params: Params) -> dict[str, Any]:
        """By name, by tag, or all; names that are unknown are left out of the answer."""
        names, filters = params.get("AutoScalingGroupNames"), params.get("Filters") or []
        groups = [group for name, group in sorted(self._world.groups.items()) if not names or name in names]
        groups = [group for group in groups if all(_matches(group, each) for each in filters)]
        shown, token = page(groups, params, "MaxRecords", 50)
        answer = [group.shown() for group in shown]
        if params.get("IncludeInstances") is False:
            answer = [{**each, "Instances": []} for each in answer]
        return {"AutoScalingGroups": answer, "NextToken": token}

    def describe_auto_scaling_instances(self, params: Params) -> dict[str, Any]:
        """By id, or all; ids that belong to no group are left out of the answer."""
        wanted = params.get("InstanceIds")
        every = [_instance(group, member) for group in self._world.groups.values() for member in group.members.values()]
        found = [each for each in every if not wanted or each["InstanceId"] in wanted]
        shown, token = page(found, params, "MaxRecords", 50)
        return {"AutoScalingInstances": shown, "NextToken": token}

    def describe_scaling_activities(self, params: Params) -> dict[str, Any]:
        """Newest first."""
        named = params.get("AutoScalingGroupName")
        groups = [group_of(self._world, params)] if named else list(self._world.groups.values())
        wanted = params.get("ActivityIds")
        every = [each for group in groups for each in reversed(group.activities)]
        every.sort(key=lambda each: each.start, reverse=True)
        found = [each for each in every if not wanted or each.activity_id in wanted]
        shown, token = page(found, params, "MaxRecords", 100)
        return {"Activities": [each.shown() for each in shown], "NextToken": token}

    def describe_tags(self, params: Params) -> dict[str, Any]:
        """Of all groups; the filter that people use is the group's name."""
        wanted = {each["Name"]: each["Values"] for each in params.get("Filters") or []}
        tags = [tag for group in self._world.groups.values() for tag in group.tags.values()]
        groups, keys = wanted.get("auto-scaling-group"), wanted.get("key")
        tags = [tag for tag in tags if not groups or tag["ResourceId"] in groups]
        shown, token = page([tag for tag in tags if not keys or tag["Key"] in keys], params, "MaxRecords", 50)
        return {"Tags": shown, "NextToken": token}

    def describe_policies(self, _params: Params) -> dict[str, Any]:
        """There are none."""
        return {"ScalingPolicies": []}

    def describe_instance_refreshes(self, params: Params) -> dict[str, Any]:
        """There are none."""
        group_of(self._world, params)
        return {"InstanceRefreshes": []}

    def describe_warm_pool(self, params: Params) -> dict[str, Any]:
        """There is none."""
        group_of(self._world, params)
        return {"Instances": []}


def _matches(group: Group, wanted: dict[str, Any]) -> bool:
    name, values = wanted["Name"], wanted["Values"]
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(tag["Value"] in values for tag in group.tags.values())
    if name.startswith("tag:"):
        return group.tags.get(name[4:], {}).get("Value") in values
    raise invalid(f"Filter type {name} is not correct. Allowed Filter types are: [tag-key, tag-value, tag:<key>]")


def _instance(group: Group, member: Member) -> dict[str, Any]:
    health = "HEALTHY" if member.healthy else "UNHEALTHY"
    return {**member.shown(), "AutoScalingGroupName": group.name, "HealthStatus": health}
