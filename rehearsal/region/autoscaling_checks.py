"""What Auto Scaling refuses, in its own words: an operator will meet the same sentences on AWS."""

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from rehearsal.region.autoscaling_launch import choices
from rehearsal.region.autoscaling_model import Group, Member, Wait
from rehearsal.region.autoscaling_world import World
from rehearsal.region.fleet_actions import Params, refuse


def invalid(message: str) -> Exception:
    """Auto Scaling has one code for nearly everything."""
    return refuse("ValidationError", message)


def group_of(world: World, params: Params) -> Group:
    """The group that a request names."""
    name = params["AutoScalingGroupName"]
    if name not in world.groups:
        raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
    return world.groups[name]


def member_of(world: World, instance_id: str) -> tuple[Group, Member]:
    """The member that a request names by its instance id alone."""
    found = world.find(instance_id)
    if found is None:
        raise invalid(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    return found


def wait_of(world: World, params: Params) -> tuple[Group, Member, Wait]:
    """The lifecycle action that a request names, by token or by instance."""
    group, token = group_of(world, params), params.get("LifecycleActionToken")
    for member in group.members.values():
        for wait in member.waits:
            right = wait.token == token if token else member.instance_id == params.get("InstanceId")
            if right and wait.hook.name == params["LifecycleHookName"]:
                return group, member, wait
    named = f"token {token}" if token else f"instance ID {params.get('InstanceId')}"
    raise invalid(f"No active Lifecycle Action found with {named}")


def check_sizes(settings: Mapping[str, Any]) -> None:
    """Min ≤ desired ≤ max."""
    low, high, desired = settings["MinSize"], settings["MaxSize"], settings["DesiredCapacity"]
    if low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if not low <= desired <= high:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


def check_desired(group: Group, desired: int) -> None:
    """SetDesiredCapacity has its own words for the same thing."""
    low, high = group.settings["MinSize"], group.settings["MaxSize"]
    if desired > high:
        raise invalid(f"New SetDesiredCapacity value {desired} is above max value {high} for the AutoScalingGroup.")
    if desired < low:
        raise invalid(f"New SetDesiredCapacity value {desired} is below min value {low} for the AutoScalingGroup.")


def check_shrink(group: Group, count: int) -> None:
    """Terminating with decrement must not fall below the minimum."""
    low = group.settings["MinSize"]
    if group.desired - count < low:
        raise invalid(
            f"Currently, desiredSize equals minSize ({low}). Terminating instance without replacement will violate"
            " group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's"
            " min size."
        )


def check_templates(world: World, settings: Mapping[str, Any]) -> None:
    """Every launch template that the group could launch from exists and names an image that exists."""
    found = list(choices(settings))
    if not found:
        raise invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or"
            " MixedInstancesPolicy parameter."
        )
    for specification, _, image in found:
        try:
            _, version = world.templates.resolve(specification)
        except ServiceException as error:
            raise invalid(f"You must use a valid fully-formed launch template. {error.message}") from error
        wanted = image or version.image_id
        if wanted not in world.compute.ec2.amis:
            prefix = "You must use a valid fully-formed launch template."
            raise invalid(f"{prefix} The image id '[{wanted}]' does not exist")
