"""A node group as the decisions see it: sizes, instances, and the launch templates that it names.

The raw specifications are kept beside the parsed ones, because what is put back must be what was found, to the letter.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

LEAVING = ("Terminating", "Terminated", "Detaching", "Detached")
"""Prefixes of the lifecycle states of instances on their way out; the states with hooks continue with `:Wait`."""

NODEGROUP_TAG = "eks:nodegroup-name"
GROUP_TAG, CLUSTER_TAG = "gpuops:group", "gpuops:cluster"
"""Which group of the policy an Auto Scaling group of EKS's belongs to; and that we may change it, and where."""


class Template(BaseModel):
    """One launch template at one version; `version` may be `$Latest` or `$Default` where a group says so."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: str


class Home(BaseModel):
    """One of the Auto Scaling groups in which the instances of a group stand: two, while a node group moves."""

    model_config = ConfigDict(frozen=True)

    name: str
    nodegroup: str = ""
    """Of EKS, if it is EKS's."""
    min: int
    max: int
    desired: int
    suspended: frozenset[str] = frozenset()
    launch: dict[str, Any] = {}
    tags: dict[str, str] = {}
    attached: tuple[str, ...] = ()
    """What hangs on it that no other Auto Scaling group has by itself: load balancers, a warm pool."""


@dataclass(frozen=True)
class Instance:
    """One instance of the group, as Auto Scaling and EC2 tell it together."""

    id: str
    zone: str
    lifecycle: str
    ami: str
    template: Template | None = None
    protected: bool = False
    launched: datetime | None = None
    """By EC2's clock, which may be compared with `now`."""
    home: str = ""
    """The Auto Scaling group in which it stands."""
    host: str = ""
    """Its private DNS name, which is its Node's name by default."""

    @property
    def leaving(self) -> bool:
        """Whether it is on its way out and no longer counts."""
        return self.lifecycle.startswith(LEAVING)

    @property
    def in_service(self) -> bool:
        """Whether every launch hook is done with it."""
        return self.lifecycle == "InService"

    @property
    def let_in(self) -> bool:
        """Whether every launch hook was answered with CONTINUE: it is in service, or nothing can keep it from it."""
        return self.in_service or self.lifecycle == "Pending:Proceed"


@dataclass(frozen=True)
class Group:
    """One group of the policy at one moment: an Auto Scaling group, or all of those that belong to it.

    Sizes are the sums; everything else is told of the newest one.
    """

    name: str
    max: int
    desired: int
    instances: tuple[Instance, ...]
    launch: dict[str, Any] = field(default_factory=dict)
    """`LaunchTemplate` or `MixedInstancesPolicy`, exactly as an update of the group would take it."""
    suspended: frozenset[str] = frozenset()
    protects_new: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    subnets: tuple[str, ...] = ()
    """Into which it launches."""
    homes: tuple[Home, ...] = ()
    """Its Auto Scaling groups, the oldest first."""

    @property
    def managed(self) -> str | None:
        """The EKS node group that the group belongs to, as EKS tags it; None for a self-managed one."""
        return self.tags.get(NODEGROUP_TAG)

    @property
    def lead(self) -> str:
        """Name of the newest of its Auto Scaling groups."""
        return self.homes[-1].name if self.homes else self.name

    def home(self, name: str) -> Home | None:
        """Return the Auto Scaling group of that name, as far as it belongs to the group."""
        return next((home for home in self.homes if home.name == name), None)

    def inhabited(self, home: Home) -> bool:
        """Whether the Auto Scaling group has an instance, or wants one."""
        return bool(home.desired or any(instance.home == home.name for instance in self.staying))

    @property
    def staying(self) -> tuple[Instance, ...]:
        """The instances that are not on their way out."""
        return tuple(instance for instance in self.instances if not instance.leaving)

    def instance(self, instance_id: str) -> Instance | None:
        """Return the instance, or None when the group has it no longer or it is leaving."""
        return next((instance for instance in self.staying if instance.id == instance_id), None)


@dataclass(frozen=True)
class TemplateVersion:
    """What one launch template version holds, under its number."""

    template: Template
    """With the number that `$Latest` or `$Default` stood for."""
    data: dict[str, Any]
    latest: int
    """Number of the newest version, to tell whether `$Latest` would still mean ours."""

    @property
    def ami(self) -> str:
        """The image it launches; empty where only overrides name one."""
        return str(self.data.get("ImageId", ""))

    @property
    def user_data(self) -> str:
        """Base64, as EC2 keeps it."""
        return str(self.data.get("UserData", ""))
