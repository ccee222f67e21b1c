"""What EKS does to the launch template and the Auto Scaling group that it made for a node group.

EKS keeps a launch template of its own for each node group, even where the user brought one: it copies that and adds
what it needs, and no version of it is the user's business.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rehearsal.region.autoscaling import AutoScaling
from rehearsal.region.autoscaling_model import Group as AutoScalingGroup
from rehearsal.region.autoscaling_model import Member
from rehearsal.region.compute_templates import Templates
from rehearsal.region.eks.cluster import Cluster
from rehearsal.region.eks.model import Nodegroup
from rehearsal.region.eks.types import of_type
from rehearsal.region.fleet_groups import CLUSTER_TAG, GROUP_TAG, group_request, template_data, template_request
from rehearsal.region.fleet_ports import ClusterNodes, uuid_of
from rehearsal.region.images import Images
from rehearsal.scenario import Group, Release


class Hands:
    """One node group's things at a time; nothing here waits."""

    def __init__(
        self,
        autoscaling: AutoScaling,
        templates: Templates,
        images: Images,
        cluster: Cluster,
        nodes: ClusterNodes,
        *,
        seed: str = "1",
    ) -> None:
        self._autoscaling, self._templates, self._images = autoscaling, templates, images
        self.cluster, self.nodes, self.seed = cluster, nodes, seed
        self.timers = autoscaling.world.timers
        self._asked = autoscaling.handlers()

    def releases(self, ami_type: str) -> list[Release]:
        """What AWS has published of this type."""
        return of_type(self._images.published, ami_type)

    def group(self, nodegroup: Nodegroup) -> AutoScalingGroup:
        """Its Auto Scaling group."""
        return self._autoscaling.world.groups[nodegroup.group.name]

    def find(self, nodegroup: Nodegroup) -> AutoScalingGroup | None:
        """Its Auto Scaling group, where it is there already."""
        return self._autoscaling.world.groups.get(nodegroup.group.name)

    def subnets(self, group: Group) -> list[str]:
        """The subnets of its zones."""
        return [self._autoscaling.world.compute.subnets[zone] for zone in group.zones]

    def zones(self, subnets: Iterable[str]) -> tuple[str, ...]:
        """The zones of these subnets. Raises: KeyError for an unknown one."""
        zone_of = {subnet: zone for zone, subnet in self._autoscaling.world.compute.subnets.items()}
        return tuple(zone_of[subnet] for subnet in subnets)

    def make_template(self, group: Group, release: Release) -> dict[str, str]:
        """The launch template that the user of a custom image made."""
        tags = {CLUSTER_TAG: self.cluster.name, GROUP_TAG: group.name}
        data = template_data(group, release, self.cluster)
        name = f"{self.cluster.name}-{group.nodegroup}"
        made = self._templates.create_launch_template(template_request(name, data, tags))["LaunchTemplate"]
        return {"id": made["LaunchTemplateId"], "name": name, "version": "1"}

    def make(self, group: Group, release: Release) -> None:
        """EKS's launch template and its Auto Scaling group, full at once, with nodes that nothing keeps closed."""
        settled = group.model_copy(update={"startup_taint": group.startup_taint and not group.size})
        request = group_request(group, self._template(settled, release), self.cluster.name, self.subnets(group))
        request["Tags"] += self._tags(group)
        self._autoscaling.stage(request)

    def create(self, nodegroup: Nodegroup, release: Release) -> None:
        """The same for a new node group: its instances come on the clock, its own tags are not passed on."""
        group = nodegroup.group
        request = group_request(group, self._template(group, release), self.cluster.name, nodegroup.subnets)
        self._asked["create_auto_scaling_group"]({**request, "Tags": self._tags(group)})

    def remove(self, nodegroup: Nodegroup) -> None:
        """Its Auto Scaling group is gone, once it is empty."""
        del self._autoscaling.world.groups[nodegroup.group.name]

    def _template(self, group: Group, release: Release) -> str:
        """EKS's own launch template for the group."""
        tags = {"eks:cluster-name": self.cluster.name, "eks:nodegroup-name": group.nodegroup}
        data = template_data(_labelled(group, release.ami), release, self.cluster)
        request = template_request(f"eks-{uuid_of(self.seed, 'lt', group.name)}", data, tags)
        return str(self._templates.create_launch_template(request)["LaunchTemplate"]["LaunchTemplateId"])

    def _tags(self, group: Group) -> list[dict[str, Any]]:
        """By which EKS knows its Auto Scaling groups; a node group's own tags are not passed on (EKS user guide)."""
        tags = {"eks:cluster-name": self.cluster.name, "eks:nodegroup-name": group.nodegroup}
        tags |= {f"kubernetes.io/cluster/{self.cluster.name}": "owned"}
        return [{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()]

    def image_of(self, template: dict[str, str]) -> str:
        """The image of the user's launch template, at the version it names. Raises: EC2's own errors."""
        named = {"LaunchTemplateId": template["id"], "Version": template["version"]}
        return str(self._templates.resolve(named)[1].image_id)

    def retarget(self, nodegroup: Nodegroup, ami: str) -> None:
        """Another version of EKS's launch template, which the Auto Scaling group launches from now on."""
        group = self.group(nodegroup)
        template = group.settings["LaunchTemplate"]["LaunchTemplateId"]
        release = next(release for release in self._images.published if release.ami == ami)
        data = template_data(_labelled(nodegroup.group, ami), release, self.cluster)
        asked = {"LaunchTemplateId": template, "LaunchTemplateData": data, "SourceVersion": "$Latest"}
        number = self._templates.create_launch_template_version(asked)["LaunchTemplateVersion"]["VersionNumber"]
        self.change(nodegroup, LaunchTemplate={"LaunchTemplateId": template, "Version": str(number)})

    def change(self, nodegroup: Nodegroup, **settings: Any) -> None:
        """Update its Auto Scaling group."""
        self._asked["update_auto_scaling_group"]({"AutoScalingGroupName": nodegroup.group.name, **settings})

    def resize(self, nodegroup: Nodegroup, sizes: Mapping[str, Any]) -> None:
        """What a scalingConfig asks for."""
        names = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredCapacity"}
        self.change(nodegroup, **{names[key]: int(size) for key, size in sizes.items()})

    def terminate(self, member: Member, *, decrement: bool) -> None:
        """Terminate an instance through its group."""
        asked = {"InstanceId": member.instance_id, "ShouldDecrementDesiredCapacity": decrement}
        self._asked["terminate_instance_in_auto_scaling_group"](asked)

    def old(self, nodegroup: Nodegroup) -> list[Member]:
        """The instances of an earlier version of the launch template, in order of launch."""
        group = self.group(nodegroup)
        version = group.settings["LaunchTemplate"]["Version"]
        return [member for member in group.present if member.template["Version"] != version]

    def newcomers_ready(self, nodegroup: Nodegroup) -> bool:
        """Whether the group is full, and every instance of the newest version serves with its node Ready."""
        group = self.group(nodegroup)
        old = {member.instance_id for member in self.old(nodegroup)}
        new = [member for member in group.present if member.instance_id not in old]
        serve = all(member.serving and self.nodes.is_ready(self.node(member)) for member in new)
        return serve and len(group.present) >= group.desired

    def unready(self, nodegroup: Nodegroup) -> list[str]:
        """The newcomers that keep an update waiting."""
        old = {member.instance_id for member in self.old(nodegroup)}
        new = [member for member in self.group(nodegroup).present if member.instance_id not in old]
        return [member.instance_id for member in new if not self.nodes.is_ready(self.node(member))]

    def node(self, member: Member) -> str:
        """Name of the instance's Node."""
        return self._autoscaling.world.compute.machine(member.instance_id).private_dns

    def cordon(self, members: Iterable[Member], *, on: bool) -> None:
        """Cordon their nodes, or open them again."""
        for member in members:
            self.nodes.cordon(self.node(member), on=on)


def _labelled(group: Group, ami: str) -> Group:
    """With the labels by which EKS knows its own nodes."""
    ours = {"eks.amazonaws.com/nodegroup": group.nodegroup, "eks.amazonaws.com/nodegroup-image": ami}
    return group.model_copy(update={"labels": {**group.labels, **ours, "eks.amazonaws.com/capacityType": "ON_DEMAND"}})
