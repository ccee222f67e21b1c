"""One launch: which zone, which launch template, which instance type; and what is said when it fails.

Zones are tried emptiest first, and the overrides of a mixed-instances policy in their order within a zone.
Leaves out: spot and its allocation strategies, weights, InstanceRequirements, placement groups.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.utils import convert_tag_spec

from rehearsal.region.autoscaling_choice import select_zones
from rehearsal.region.autoscaling_model import Group, Member
from rehearsal.region.autoscaling_world import World
from rehearsal.region.compute_order import NoCapacityError, NoImageError, Order
from rehearsal.region.fleet_ports import SimInstance


class Launcher:
    """Launches instances for groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def launch(self, group: Group, cause: str, *, zone: str | None = None, ordinary: bool = True) -> Member | None:
        """One instance, in that zone or in the best that has one; None when it was in vain everywhere."""
        for candidate in [zone] if zone else select_zones(group.zones, group.present):
            try:
                order, machine = self._try(group, candidate, ordinary=ordinary)
            except _InVainError as failure:
                self._failed(group, candidate, cause, str(failure))
            else:
                return self._join(group, order, machine, cause)
        return None

    def _try(self, group: Group, zone: str, *, ordinary: bool) -> tuple[Order, SimInstance]:
        reason = "The group has no launch template."
        for specification, instance_type, image in choices(group.settings):
            try:
                order = self._order(group, zone, specification, instance_type, image)
                return order, self._world.compute.launch(order, ordinary=ordinary)
            except (NoCapacityError, NoImageError) as error:
                reason = str(error)
            except ServiceException as error:
                reason = error.message
        raise _InVainError(f"{reason.rstrip('.')}. Launching EC2 instance failed.")

    def _order(
        self, group: Group, zone: str, specification: Mapping[str, Any], instance_type: str | None, image: str | None
    ) -> Order:
        template, version = self._world.templates.resolve(specification)
        tags = dict(convert_tag_spec(version.data.get("TagSpecifications", [])).get("instance", {}))
        tags |= {key: tag["Value"] for key, tag in group.tags.items() if tag["PropagateAtLaunch"]}
        tags |= {
            "aws:autoscaling:groupName": group.name,
            "aws:ec2launchtemplate:id": template.id,
            "aws:ec2launchtemplate:version": str(version.number),
        }
        return Order(
            name=f"{group.name}/{group.launches + 1}",
            group=group.name,
            zone=zone,
            instance_type=instance_type or version.instance_type,
            image=image or version.image_id,
            data=version.data,
            tags=tags,
        )

    def _join(self, group: Group, order: Order, machine: SimInstance, cause: str) -> Member:
        group.launches += 1
        group.failures = 0
        activity = self._world.log(group, f"Launching a new EC2 instance: {machine.instance_id}", cause, order.zone)
        template = self._world.compute.ec2.get_launch_template(order.tags["aws:ec2launchtemplate:id"])
        member = Member(
            instance_id=machine.instance_id,
            instance_type=machine.instance_type,
            zone=machine.zone,
            image=machine.ami,
            template={
                "LaunchTemplateId": template.id,
                "LaunchTemplateName": template.name,
                "Version": order.tags["aws:ec2launchtemplate:version"],
            },
            launched=self._world.now,
            activity=activity,
            protected=bool(group.settings["NewInstancesProtectedFromScaleIn"]),
        )
        group.members[member.instance_id] = member
        return member

    def _failed(self, group: Group, zone: str, cause: str, message: str) -> None:
        activity = self._world.log(group, "Launching a new EC2 instance", cause, zone)
        activity.close("Failed", self._world.now, message)
        self._world.announcer.ended(group, activity, "", launch=True, well=False)


class _InVainError(Exception):
    """Nothing could be launched in this zone."""


def choices(settings: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str | None, str | None]]:
    """Launch template, instance type and image to try, in order; None means what the template says."""
    if "LaunchTemplate" in settings:
        yield settings["LaunchTemplate"], None, None
    mixed = settings.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    base = mixed.get("LaunchTemplateSpecification")
    for override in mixed.get("Overrides") or ([{}] if base else []):
        specification = override.get("LaunchTemplateSpecification") or base
        yield specification, override.get("InstanceType"), override.get("ImageId")
