"""The machines of a rehearsal: composes EC2, Auto Scaling, images and EKS, and ties them to kubelets and cluster.

Also plays the one part of the cloud controller that matters here: the Node object of a terminated instance is deleted
some time after EC2 says that it is gone. Leaves out its zone labels and providerID, which are the kubelets'.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rehearsal.region.autoscaling import AutoScaling
from rehearsal.region.autoscaling_events import Announcer
from rehearsal.region.autoscaling_world import World
from rehearsal.region.compute import Compute
from rehearsal.region.compute_roots import RootVolumes
from rehearsal.region.compute_templates import Templates
from rehearsal.region.eks.api import Eks
from rehearsal.region.eks.cluster import Cluster
from rehearsal.region.eks.hands import Hands
from rehearsal.region.fleet_groups import (
    CLUSTER_TAG,
    GROUP_TAG,
    NODE_PROFILE,
    group_request,
    template_data,
    template_request,
)
from rehearsal.region.fleet_ports import ClusterNodes, Emit, Machines, SimInstance, Timers
from rehearsal.region.imagebuilder import ImageBuilder
from rehearsal.region.images import Images
from rehearsal.region.instance_types import Capacity
from rehearsal.region.patches import Patches
from rehearsal.scenario import Group, Release

NODE_DELETION_SECONDS = 20


class Fleet:
    """Everything that has instances; make it after moto was reset, since it keeps moto's EC2 in hand."""

    def __init__(
        self,
        timers: Timers,
        emit: Emit,
        kubelets: Machines,
        *,
        cluster: Cluster,
        zones: Mapping[str, Capacity],
        delete_node: Callable[[str], object],
        nodes: ClusterNodes,
        seed: str = "1",
    ) -> None:
        self._timers, self._emit, self._kubelets, self._delete_node = timers, emit, kubelets, delete_node
        self._serial = itertools.count(1)
        self.compute = Compute(timers, zones, seed=seed)
        self.compute.launched.append(self._boot)
        self.compute.replaced.append(self._reboot)
        self.roots = RootVolumes(timers, self.compute)
        self.templates = Templates(timers, seed=seed)
        world = World(timers, self.compute, self.templates, Announcer(self._deliver), seed=seed)
        self.autoscaling = AutoScaling(world)
        self.builder = ImageBuilder(timers, self._deliver)
        self.images = Images(timers, cluster.version, self.builder)
        whole = replace(cluster, subnets=tuple(self.compute.subnets.values()), vpc=self.compute.vpc)
        self.eks = Eks(Hands(self.autoscaling, self.templates, self.images, whole, nodes, seed=seed))
        self.compute.shutting_down.append(self._stop)
        self.compute.terminated.append(self._forget)

    def install(self, patches: Patches) -> None:
        """Answer for moto's EC2, Auto Scaling and EKS, where it knows too little, until the patches are restored."""
        self.roots.install(patches)
        self.templates.install(patches)
        self.autoscaling.install(patches)
        self.eks.install(patches)
        self.images.install(patches)

    def create_group(self, group: Group, release: Release) -> None:
        """The group as it is before the story: full, in service, its launch hook put after its instances came."""
        if group.kind == "managed":
            self.eks.stage(group, release)
            return
        cluster = self.eks.cluster
        ours = {CLUSTER_TAG: cluster.name, GROUP_TAG: group.name}
        data = {**template_data(group, release, cluster), "IamInstanceProfile": {"Name": NODE_PROFILE}}
        made = self.templates.create_launch_template(template_request(f"{cluster.name}-{group.name}", data, ours))
        subnets = [self.compute.subnets[zone] for zone in group.zones]
        template = str(made["LaunchTemplate"]["LaunchTemplateId"])
        self.autoscaling.stage(group_request(group, template, cluster.name, subnets))

    def set_capacity(self, capacity: Mapping[str, Mapping[str, int]]) -> None:
        """What EC2 has left from now on, by zone and type."""
        for zone, types in capacity.items():
            self.compute.shelf.restock(zone, types)

    def replace_root_volume(self, group: str, ami: str | None) -> None:
        """What an instance refresh does to the first instance in service; an image goes into the template before."""
        with self.autoscaling.world.lock:
            found = self.autoscaling.world.groups[group]
            if ami is not None:
                named = {"LaunchTemplateId": found.settings["LaunchTemplate"]["LaunchTemplateId"]}
                data = {"LaunchTemplateData": {"ImageId": ami}, "SourceVersion": "$Latest"}
                self.templates.create_launch_template_version({**named, **data})
            member = next(member for member in found.members.values() if member.serving)
            self.autoscaling.loop.lifecycle.refresh(found, member)

    def _boot(self, instance: SimInstance) -> None:
        self._outside(f"{instance.instance_id}/boot", 0, lambda: self._kubelets.boot(instance))

    def _reboot(self, instance: SimInstance) -> None:
        self._outside(f"{instance.instance_id}/reboot", 0, lambda: self._kubelets.reboot(instance))

    def _stop(self, instance_id: str) -> None:
        self._outside(f"{instance_id}/stop", 0, lambda: self._kubelets.terminate(instance_id))

    def _forget(self, instance_id: str) -> None:
        name = self.compute.machine(instance_id).private_dns
        self._outside(f"{instance_id}/forget", NODE_DELETION_SECONDS, lambda: self._delete_node(name))

    def _deliver(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        key = f"emit/{next(self._serial)}"
        self._outside(key, 0, lambda: self._emit(source, detail_type, detail, resources))

    def _outside(self, key: str, delay: float, act: Callable[[], object]) -> None:
        """Neighbours are called from a timer of their own, never under the fleet's lock."""

        def fire() -> None:
            act()

        self._timers.call_later(delay, f"fleet/{key}", fire)
