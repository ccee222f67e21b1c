"""Who plays a group's first, second, third instance: a scenario is written before there are any ids."""

import re
from collections.abc import Mapping
from typing import Any

from rehearsal.kube import Json
from rehearsal.world import World

NODES = "/api/v1/nodes"
ROLE = re.compile(r"\{(instance|node):([a-z0-9-]+)/(\d+)\}")


class Cast:
    """The instances and Nodes of a world's groups, in order of launch, as the region and the cluster list them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[str, dict[str, str]] = {}
        """By group: the Node's name of each instance that there ever was."""

    def remember(self) -> None:
        """Note who is there as the story begins: a role stays with its first player, who may be gone by then."""
        for group in self._world.scenario.groups:
            self._note(group.name)

    def instances(self, group: str) -> list[str]:
        """The ids of the group's instances."""
        autoscaling = self._world.region.account.client("autoscaling")
        found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
        return [instance["InstanceId"] for instance in found["Instances"]]

    def nodes(self, group: str) -> list[Json]:
        """The Nodes of the group's instances; one that has none is left out."""
        nodes = {str(n["spec"].get("providerID", "")).rpartition("/")[2]: n for n in self._world.kube.list(NODES)}
        return [nodes[instance] for instance in self.instances(group) if instance in nodes]

    def named(self, value: Any) -> Any:
        """The value with each `{instance:GROUP/0}` and `{node:GROUP/0}` in its texts replaced."""
        if isinstance(value, Mapping):
            return {key: self.named(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.named(inner) for inner in value]
        return ROLE.sub(self._player, value) if isinstance(value, str) else value

    def _note(self, group: str) -> list[tuple[str, str]]:
        names = {str(n["spec"]["providerID"]).rpartition("/")[2]: n["metadata"]["name"] for n in self.nodes(group)}
        seen = self._seen.setdefault(group, {})
        for instance in self.instances(group):
            seen[instance] = names.get(instance, seen.get(instance, ""))
        return list(seen.items())

    def _player(self, role: re.Match[str]) -> str:
        instance, node = self._note(role[2])[int(role[3])]
        return instance if role[1] == "instance" else node
