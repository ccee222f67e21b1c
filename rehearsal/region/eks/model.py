"""What a managed node group and its updates are, and how EKS shows them; nothing here acts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rehearsal.region.autoscaling_model import Group as AutoScalingGroup
from rehearsal.region.eks.types import CUSTOM
from rehearsal.region.fleet_ports import ACCOUNT, REGION, uuid_of
from rehearsal.scenario import Group

EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""From Kubernetes' spelling to EKS's."""


@dataclass
class Update:
    """One update of a node group, as DescribeUpdate knows it."""

    id: str
    kind: str
    params: dict[str, str]
    created: float
    status: str = "InProgress"
    errors: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As AWS describes it."""
        return {
            "id": self.id,
            "status": self.status,
            "type": self.kind,
            "params": [{"type": key, "value": value} for key, value in self.params.items()],
            "createdAt": _time(self.created),
            "errors": self.errors,
        }


@dataclass
class Nodegroup:
    """A managed node group; what its nodes carry comes from the scenario's group."""

    group: Group
    cluster: str
    ami_type: str
    version: str
    release: str
    created: float
    tags: dict[str, str]
    subnets: list[str]
    update_config: dict[str, Any]
    template: dict[str, str] | None = None
    """The user's own launch template, by id and version."""
    status: str = "ACTIVE"
    updates: dict[str, Update] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    """What it was asked to be described with."""

    @property
    def name(self) -> str:
        """EKS's name for it."""
        return self.group.nodegroup

    @property
    def custom(self) -> bool:
        """Whether its image is its user's own."""
        return self.ami_type == CUSTOM

    def unavailable(self, size: int) -> int:
        """How many nodes may go at a time; a percentage is rounded down, to one at least."""
        percent = self.update_config.get("maxUnavailablePercentage")
        return int(self.update_config["maxUnavailable"]) if percent is None else max(1, size * int(percent) // 100)

    def _sizes(self, asg: AutoScalingGroup | None) -> dict[str, int]:
        """Those of its Auto Scaling group; before there is one, what was asked for."""
        if asg is None:
            return {"minSize": self.group.min, "maxSize": self.group.max, "desiredSize": self.group.size}
        names = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredCapacity"}
        return {key: int(asg.settings[setting]) for key, setting in names.items()}

    def shown(self, asg: AutoScalingGroup | None) -> dict[str, Any]:
        """As AWS describes it; the Auto Scaling group of a new one is not there at first."""
        uuid = uuid_of("nodegroup", self.cluster, self.name)
        return {
            "nodegroupName": self.name,
            "nodegroupArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:nodegroup/{self.cluster}/{self.name}/{uuid}",
            "clusterName": self.cluster,
            "version": self.version,
            "releaseVersion": self.release,
            "createdAt": _time(self.created),
            "status": self.status,
            "capacityType": "ON_DEMAND",
            "scalingConfig": self._sizes(asg),
            "instanceTypes": None if self.template else [self.group.instance_type],
            "subnets": self.subnets,
            "amiType": self.ami_type,
            "nodeRole": f"arn:aws:iam::{ACCOUNT}:role/{self.cluster}-nodes",
            "labels": dict(self.group.labels),
            "taints": [_taint(taint) for taint in self.group.all_taints],
            "resources": {"autoScalingGroups": [{"name": asg.name}]} if asg else None,
            "health": {"issues": list(self.issues)},
            "updateConfig": dict(self.update_config),
            "nodeRepairConfig": {"enabled": self.group.auto_repair},
            "launchTemplate": self.template,
            "tags": dict(self.tags),
            **self.given,
        }


def _taint(text: str) -> dict[str, str]:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": EFFECTS[effect]}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
