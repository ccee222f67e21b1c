"""Auto Scaling groups: what they are, and the few things that a change asks of them.

Every act is a goal that may be asked for twice. boto3 is not allowed to repeat one by itself, because a
termination with decrement that was lost on its way back would shrink the group a second time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.adapters.group_reading import read_group, read_instance, tags_of
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.change import GroupUpdate
from gpuops.domain.rotation.group import GROUP_TAG, NODEGROUP_TAG, Group, Instance

FILTER_VALUES = 200
"""EC2's limit of values for one filter."""
GROUPS_AT_ONCE = 50
"""Auto Scaling's limit of names for one call, unless more records are asked for."""
PROTECTED_AT_ONCE = 50
"""Auto Scaling's limit for SetInstanceProtection."""
VAIN = ("Failed", "Cancelled")
"""Status codes of scaling activities that came to nothing."""
SETTINGS = {
    "max": "MaxSize",
    "desired": "DesiredCapacity",
    "protects_new": "NewInstancesProtectedFromScaleIn",
}


class Groups:
    """Auto Scaling groups of one account and region. All methods raise Unavailable, Refused, Conflict or Invalid."""

    def __init__(self, autoscaling: Any, ec2: Any) -> None:
        self._autoscaling, self._ec2 = autoscaling, ec2

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("autoscaling", attempts=1), client("ec2"))

    def describe(self, name: str, known: Callable[[Instance], bool] | None = None) -> Group:
        """Return the group with its instances and their images. Raises: Invalid when there is no such group.

        EC2 is not asked about the `known` ones: in a large group they are nearly all, and their images are left empty.
        """
        found = self.describe_all([name], known)
        if name not in found:
            raise Invalid(f"Auto Scaling group {name!r} does not exist, or is being deleted")
        return found[name]

    def describe_all(self, names: Sequence[str], known: Callable[[Instance], bool] | None = None) -> dict[str, Group]:
        """Return those of the groups that exist and stay, by name, with their instances and their images."""
        homes = self._homes(names)
        items = [(raw, item) for raws in homes.values() for raw in raws for item in raw["Instances"]]
        asked = [item["InstanceId"] for raw, item in items if known is None or not known(read_instance(item, {}, raw))]
        machines = self._machines(asked)
        return {name: read_group(name, raws, machines) for name, raws in homes.items()}

    def total(self, names: Sequence[str]) -> int:
        """Return the sum of the groups' desired capacities; one that does not exist has none."""
        return sum(raw["DesiredCapacity"] for raws in self._homes(names).values() for raw in raws)

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Tag the group, not its instances. Idempotent."""
        listed = [
            {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": k, "Value": v, "PropagateAtLaunch": False}
            for k, v in tags.items()
        ]
        with translated(f"tag group {name}"):
            self._autoscaling.create_or_update_tags(Tags=listed)

    def _homes(self, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """What Auto Scaling says, by name, of the groups that bear it, and of those of EKS's that belong to it by tag.

        Only what EKS manages moves to others, so nothing is asked a second time about groups that are there and ours.
        """
        named = {raw["AutoScalingGroupName"]: [raw] for raw in self._raws(names)}
        moving = [name for name in names if name not in named or tags_of(named[name][0]).get(NODEGROUP_TAG)]
        for raw in self._tagged(moving):
            of = named.setdefault(tags_of(raw)[GROUP_TAG], [])
            of += [raw] if all(other["AutoScalingGroupName"] != raw["AutoScalingGroupName"] for other in of) else []
        return {
            name: sorted(named[name], key=lambda raw: str(raw.get("CreatedTime"))) for name in names if name in named
        }

    def _tagged(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The groups of EKS's that belong to these by tag."""
        found: list[dict[str, Any]] = []
        for batch in _batches(names, GROUPS_AT_ONCE):
            with translated(f"describe groups tagged {', '.join(batch[:3])}"):
                pages = self._autoscaling.get_paginator("describe_auto_scaling_groups").paginate(
                    Filters=[
                        {"Name": f"tag:{GROUP_TAG}", "Values": batch},
                        {"Name": "tag-key", "Values": [NODEGROUP_TAG]},
                    ]
                )
                found += [raw for page in pages for raw in page["AutoScalingGroups"]]
        return [raw for raw in found if not raw.get("Status")]

    def _raws(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """What Auto Scaling says of the groups that exist and stay."""
        raws: list[dict[str, Any]] = []
        for batch in _batches(names, GROUPS_AT_ONCE):
            with translated(f"describe group {', '.join(batch[:3])}"):
                answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=batch)
            raws += [raw for raw in answer["AutoScalingGroups"] if not raw.get("Status")]
        return raws

    def last_failure(self, name: str, since: datetime) -> str | None:
        """Return, in Auto Scaling's own words, why its last vain attempt since then was in vain."""
        with translated(f"describe activities of group {name}"):
            found = self._autoscaling.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=20)
        vain = (a for a in found["Activities"] if a["StartTime"] >= since and a["StatusCode"] in VAIN)
        return next((a["StatusMessage"] for a in vain if a.get("StatusMessage")), None)

    def update(self, name: str, goals: GroupUpdate) -> None:
        """Set what the goals name; nothing is asked for when they are empty. Idempotent."""
        given = {key: getattr(goals, field) for field, key in SETTINGS.items() if getattr(goals, field) is not None}
        given |= goals.launch or {}
        if given:
            with translated(f"update group {name}"):
                self._autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, **given)

    def suspend(self, name: str, processes: Sequence[str]) -> None:
        """Suspend the processes. Idempotent."""
        if processes:
            with translated(f"suspend processes of group {name}"):
                self._autoscaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=list(processes))

    def resume(self, name: str, processes: Sequence[str]) -> None:
        """Resume the processes; an empty list does nothing (to AWS it would mean all of them). Idempotent."""
        if processes:
            with translated(f"resume processes of group {name}"):
                self._autoscaling.resume_processes(AutoScalingGroupName=name, ScalingProcesses=list(processes))

    def unprotect(self, name: str, instances: Sequence[str]) -> None:
        """Let the instances be scaled in again. Idempotent."""
        for batch in _batches(instances, PROTECTED_AT_ONCE):
            with translated(f"unprotect instances of group {name}"):
                self._autoscaling.set_instance_protection(
                    AutoScalingGroupName=name, InstanceIds=batch, ProtectedFromScaleIn=False
                )

    def terminate(self, instance: str, *, decrement: bool) -> None:
        """Terminate the instance; one that is gone already is fine.

        Not idempotent while the instance is on its way out: look at the group first.
        """
        try:
            with translated(f"terminate {instance}"):
                self._autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance, ShouldDecrementDesiredCapacity=decrement
                )
        except Invalid as error:
            if "not found" not in str(error).lower():
                raise

    def _machines(self, instances: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What EC2 says of each instance; by filter, because naming one that just went away fails the whole call."""
        machines: dict[str, dict[str, Any]] = {}
        for batch in _batches(instances, FILTER_VALUES):
            with translated(f"describe {len(batch)} instances"):
                pages = self._ec2.get_paginator("describe_instances").paginate(
                    Filters=[{"Name": "instance-id", "Values": batch}]
                )
                machines |= {
                    instance["InstanceId"]: instance
                    for page in pages
                    for reservation in page["Reservations"]
                    for instance in reservation["Instances"]
                }
        return machines


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size`."""
    listed = list(items)
    return (listed[start : start + size] for start in range(0, len(listed), size))
