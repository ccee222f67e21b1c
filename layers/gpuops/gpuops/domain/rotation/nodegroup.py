"""A managed node group as the decisions see it: whether EKS can update it as planned, and what EKS is then asked.

EKS's update replaces every node by itself. Once begun it can be neither paused nor cancelled, and no node group goes
back to an earlier release (EKS user guide, "Update a managed node group"): ours is only what is said and done before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.group import Group, Template

UpdateStrategy = Literal["DEFAULT", "MINIMAL"]
MANAGED: Literal["managed"] = "managed"
BLUE_GREEN: Literal["managed_blue_green"] = "managed_blue_green"
ACTIVE = "ACTIVE"
UPDATING = "UPDATING"
DELETING = "DELETING"
AT_WORK = ("CREATING", UPDATING, DELETING)
"""States in which EKS takes no other order, and which pass by themselves."""
CUSTOM = "CUSTOM"
"""The AMI type of a node group whose image is that of its user's launch template."""
AMI_TYPES = {
    "AL2023_x86_64_NVIDIA": ("al2023", "x86_64"),
    "AL2023_ARM_64_NVIDIA": ("al2023", "arm64"),
    "BOTTLEROCKET_x86_64_NVIDIA": ("bottlerocket", "x86_64"),
    "BOTTLEROCKET_x86_64_NVIDIA_FIPS": ("bottlerocket", "x86_64"),
    "BOTTLEROCKET_ARM_64_NVIDIA": ("bottlerocket", "arm64"),
    "BOTTLEROCKET_ARM_64_NVIDIA_FIPS": ("bottlerocket", "arm64"),
}
"""Family and architecture of EKS's NVIDIA types (the EKS API's own enumeration, data type Nodegroup)."""
RELEASE = re.compile(r"(?P<kubernetes>1\.\d+)\.\d+-[0-9a-f]{8}")
"""A release version as EKS takes it: 1.36.3-20261120, and for Bottlerocket, by its own number, 1.50.0-8f2d3a1b."""


@dataclass(frozen=True)
class Nodegroup:
    """One managed node group at one moment."""

    name: str
    status: str
    version: str
    """Its Kubernetes minor."""
    release: str
    """The release that it runs; of a custom image, the image's id."""
    ami_type: str
    groups: tuple[str, ...]
    """Its Auto Scaling groups, by name."""
    strategy: UpdateStrategy = "DEFAULT"
    template: Template | None = None
    """The user's own launch template, where there is one."""
    startup_taint: bool = False
    """Whether its nodes register ours."""
    issues: tuple[str, ...] = ()
    """What EKS finds wrong with it."""
    unavailable: int = 1
    unavailable_percent: int | None = None
    """How many nodes its update takes at a time; the share counts where there is one."""
    tags: Mapping[str, str] = field(default_factory=dict)
    likeness: Mapping[str, Any] = field(default_factory=dict)
    """What CreateNodegroup would take to make another one like it."""
    uncopied: tuple[str, ...] = ()
    """What it has beside that, by EKS's own names."""

    def at_a_time(self, size: int) -> int:
        """Return how many nodes of so many EKS's update takes at a time; a share is rounded down, to one at least."""
        if self.unavailable_percent is None:
            return self.unavailable
        return max(1, size * self.unavailable_percent // 100)

    @property
    def custom(self) -> bool:
        """Whether EKS knows no release of its image."""
        return self.ami_type == CUSTOM


class Managed(BaseModel):
    """What a managed node group was before its roll."""

    model_config = ConfigDict(frozen=True)

    nodegroup: str
    strategy: UpdateStrategy
    release: str
    """To which a new node group would have to be pinned, to go back."""


class ManagedPlan(BaseModel):
    """That EKS's own update is to replace the nodes, and how."""

    model_config = ConfigDict(frozen=True)

    nodegroup: str
    strategy: UpdateStrategy | None = None
    """What its updateStrategy is set to while it rolls; None where it stays as it is."""
    version: str | None = None
    """The Kubernetes minor of the target, as its image tells; None where it tells none."""


def never(nodegroup: Nodegroup | None, group: Group, policy: GroupPolicy, release: str) -> str | None:
    """Return why the group can never be rolled as its policy says, or None."""
    if nodegroup is None:
        named = f"name it under `nodegroup`, with `strategy: {MANAGED}`"
        return f"{group.name} is EKS's, of node group {group.managed}: {named}" if group.managed else None
    if not {group.name, *(home.name for home in group.homes)} & set(nodegroup.groups):
        return f"node group {nodegroup.name} has the Auto Scaling group {', '.join(nodegroup.groups)}, not {group.name}"
    if nodegroup.custom:
        return None if nodegroup.template else f"node group {nodegroup.name} has a custom image and no launch template"
    wanted = (policy.ami.family, policy.ami.architecture)
    if AMI_TYPES.get(nodegroup.ami_type) != wanted:
        return f"node group {nodegroup.name} is of type {nodegroup.ami_type}; the policy wants {' '.join(wanted)}"
    return None if RELEASE.fullmatch(release) else f"EKS updates to a release version, and {release!r} is none"


def busy(nodegroup: Nodegroup) -> str | None:
    """Return why EKS would refuse an update now, or None: it does one thing to a node group at a time."""
    if nodegroup.status == ACTIVE:
        return None
    why = f": {'; '.join(nodegroup.issues)}" if nodegroup.issues else ""
    return f"node group {nodegroup.name} is {nodegroup.status}{why}"


def plan_managed(nodegroup: Nodegroup, policy: GroupPolicy, version: str | None = None) -> ManagedPlan:
    """Return how EKS is to update the node group, to an image of that Kubernetes minor."""
    wanted = policy.update_strategy if policy.update_strategy != nodegroup.strategy else None
    return ManagedPlan(nodegroup=nodegroup.name, strategy=wanted, version=version)


def managed_changes(nodegroup: Nodegroup, policy: GroupPolicy, target: str) -> tuple[str, ...]:
    """What EKS's update touches and what it does not allow, in words, before it begins."""
    strategy, grace = policy.update_strategy or nodegroup.strategy, f"{policy.job_grace_hours:g} hours"
    forced = policy.drain.on_deadline == "force"
    changes = [f"new version of launch template {nodegroup.template.id} with {target}"] if nodegroup.template else []
    changes += [
        f"nodes with Jobs are closed and waited for, up to {grace}, before anything else",
        f"EKS updates node group {nodegroup.name} to {target}; it chooses the order of the nodes",
        _words(strategy),
        "EKS gives the pods of a node 15 minutes, then " + ("deletes them" if forced else "gives the update up"),
        "once begun, EKS's update cannot be paused, cancelled or undone; " + _way_back(nodegroup),
    ]
    if strategy != nodegroup.strategy:
        changes.append(f"updateStrategy {nodegroup.strategy} to {strategy}, while it rolls")
    if not nodegroup.startup_taint and not nodegroup.custom:
        changes.append("the node group registers no startup taint: its new nodes take pods before they are admitted")
    return tuple(changes)


def update_request(
    nodegroup: Nodegroup, release: str, template: Template, version: str | None, *, force: bool
) -> dict[str, Any]:
    """Return what UpdateNodegroupVersion is asked beside the names: a custom image takes a template and no version.

    Version and release always go together: without the version EKS takes the cluster's, and its latest AMI. Of a
    Bottlerocket release no minor can be read, for its number is Bottlerocket's own.
    """
    if nodegroup.custom:
        asked: dict[str, Any] = {"LaunchTemplate": {"Id": template.id, "Version": template.version}}
    else:
        asked = {"Version": version or nodegroup.version, "ReleaseVersion": release}
    return {**asked, "Force": force}


def _way_back(nodegroup: Nodegroup) -> str:
    """What can be had instead, or afterwards; a custom image has no release to be pinned to."""
    if nodegroup.custom:
        return f"the way back is a new node group pinned to image {nodegroup.release}"
    return (
        f"the way back is a new node group pinned to release {nodegroup.release}: "
        f"`strategy: {BLUE_GREEN}` makes one, with that release's AMI pinned"
    )


def _words(strategy: UpdateStrategy) -> str:
    if strategy == "MINIMAL":
        return "MINIMAL: EKS terminates nodes before it launches others: the group is smaller while it rolls"
    return "DEFAULT: EKS adds nodes first, up to two for each zone, or maxUnavailable where that is more"
