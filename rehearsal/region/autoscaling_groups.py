"""Operations that change a group: create, update, capacity, processes, protection, termination, tags.

Leaves out: launch configurations, scaling policies, scheduled actions, instance refresh, standby, attach, detach, warm
pools, load balancers, and deleting a group. A field that nothing here acts on is kept and described all the same.
"""

from typing import Any

from rehearsal.region.autoscaling_checks import (
    check_desired,
    check_shrink,
    check_sizes,
    check_templates,
    group_of,
    invalid,
    member_of,
)
from rehearsal.region.autoscaling_loop import Loop
from rehearsal.region.autoscaling_model import PROCESSES, Group, Member
from rehearsal.region.autoscaling_settings import changed_settings, first_settings, tags_of, zones_of
from rehearsal.region.autoscaling_world import World
from rehearsal.region.fleet_actions import Params, refuse

ACTIONS = (
    "create_auto_scaling_group",
    "update_auto_scaling_group",
    "set_desired_capacity",
    "suspend_processes",
    "resume_processes",
    "set_instance_protection",
    "terminate_instance_in_auto_scaling_group",
    "create_or_update_tags",
    "delete_tags",
)


class GroupActions:
    """The handlers; each is called under the world's lock."""

    def __init__(self, world: World, loop: Loop) -> None:
        self._world, self._loop = world, loop

    def create_auto_scaling_group(self, params: Params) -> None:
        """The group and its hooks at once; instances follow on the clock."""
        group = self.make(params)
        self._loop.look_in(group)

    def make(self, params: Params) -> Group:
        """A checked group without instances."""
        name = params["AutoScalingGroupName"]
        if name in self._world.groups:
            raise refuse("AlreadyExists", f"AutoScalingGroup by this name already exists - {name}")
        settings = first_settings(self._world.templates, params)
        check_sizes(settings)
        check_templates(self._world, settings)
        zones = zones_of(settings, self._world.compute.subnets)
        group = Group(name=name, settings=settings, zones=zones, created=self._world.now)
        group.tags.update(tags_of(params.get("Tags") or [], name))
        self._world.groups[name] = group
        return group

    def update_auto_scaling_group(self, params: Params) -> None:
        """What was sent replaces what was there; a desired capacity outside new bounds is moved to the bound."""
        group = group_of(self._world, params)
        settings = changed_settings(self._world.templates, group.settings, params)
        check_sizes(settings)
        if "LaunchTemplate" in params or "MixedInstancesPolicy" in params:
            check_templates(self._world, settings)
        group.zones = zones_of(settings, self._world.compute.subnets)
        group.settings = settings
        self._loop.look_in(group)

    def set_desired_capacity(self, params: Params) -> None:
        """A goal; cooldowns are not modelled."""
        group, desired = group_of(self._world, params), int(params["DesiredCapacity"])
        check_desired(group, desired)
        group.settings["DesiredCapacity"] = desired
        self._loop.look_in(group)

    def suspend_processes(self, params: Params) -> None:
        """No names means all of them."""
        group = group_of(self._world, params)
        for process in _processes(params):
            group.suspended.setdefault(process, f"User suspended at {self._world.stamp}")

    def resume_processes(self, params: Params) -> None:
        """No names means all of them; what was missed meanwhile is made up for."""
        group = group_of(self._world, params)
        for process in _processes(params):
            group.suspended.pop(process, None)
        self._loop.look_in(group)

    def set_instance_protection(self, params: Params) -> None:
        """Only an instance in service can be protected: one that still waits in a hook is refused."""
        group = group_of(self._world, params)
        for instance_id in params["InstanceIds"]:
            member = group.members.get(instance_id)
            if member is None:
                raise invalid(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
            if not member.serving:
                raise invalid(f"The instance {instance_id} is not in InService or EnteringStandby or Standby.")
        for instance_id in params["InstanceIds"]:
            group.members[instance_id].protected = bool(params["ProtectedFromScaleIn"])
        self._loop.look_in(group)

    def terminate_instance_in_auto_scaling_group(self, params: Params) -> dict[str, Any]:
        """Protection does not prevent it. One already on its way out is answered again, and decrements nothing."""
        several = params.get("InstanceIds")
        found = [member_of(self._world, each) for each in several or [params["InstanceId"]]]
        fresh = [(group, member) for group, member in found if not member.leaving]
        shrink = bool(params["ShouldDecrementDesiredCapacity"])
        if shrink and fresh:
            check_shrink(fresh[0][0], len(fresh))
        for group, member in fresh:
            self._terminate(group, member, shrink=shrink)
        activities = [member.activity.shown() for _, member in found]
        return {"Activities": activities} if several else {"Activity": activities[0]}

    def create_or_update_tags(self, params: Params) -> None:
        """Tags of groups; running instances keep theirs."""
        for tag in params["Tags"]:
            group = group_of(self._world, {"AutoScalingGroupName": tag["ResourceId"]})
            group.tags.update(tags_of([tag], group.name))

    def delete_tags(self, params: Params) -> None:
        """A tag that is gone is fine."""
        for tag in params["Tags"]:
            group_of(self._world, {"AutoScalingGroupName": tag["ResourceId"]}).tags.pop(tag["Key"], None)

    def _terminate(self, group: Group, member: Member, *, shrink: bool) -> None:
        before = group.desired
        after = before - 1 if shrink else before
        cause = "an instance was taken out of service in response to a user request"
        cause += f", shrinking the capacity from {before} to {after}." if shrink else "."
        group.settings["DesiredCapacity"] = after
        self._loop.lifecycle.retire(group, member, cause)
        self._loop.look_in(group)


def _processes(params: Params) -> list[str]:
    names = list(params.get("ScalingProcesses") or PROCESSES)
    for name in names:
        if name not in PROCESSES:
            raise invalid(f"{name} is not a valid process type")
    return names
