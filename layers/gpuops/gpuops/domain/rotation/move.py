"""A managed node group that moves into a new one: what that is called and made of, and what cannot be copied.

EKS's own update can be neither stopped nor undone. A second node group of the new release can be filled node by node,
by the claims and drains of every other roll, and given up for as long as the first one is there.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from gpuops.domain.keys import STARTUP_TAINT
from gpuops.domain.rotation.group import CLUSTER_TAG, GROUP_TAG, Group, Home
from gpuops.domain.rotation.nodegroup import Nodegroup

COPIED = (
    "amiType", "capacityType", "diskSize", "instanceTypes", "labels", "launchTemplate", "nodeRepairConfig",
    "nodeRole", "remoteAccess", "subnets", "tags", "taints", "updateConfig",
)  # fmt: skip
"""What CreateNodegroup takes as DescribeNodegroup tells it (the EKS API's reference)."""
OWN = frozenset({
    "nodegroupName", "nodegroupArn", "clusterName", "version", "releaseVersion", "createdAt", "modifiedAt", "status",
    "resources", "health", "scalingConfig",
})  # fmt: skip
"""What each node group has for itself; sizes are given separately."""
NOTHING: tuple[Any, ...] = (None, "", 0, [], {}, {"enabled": False})
LONGEST_NAME = 63
"""Of a node group (the EKS API's reference)."""
BY_EKS = ("aws:", "eks:")
"""Tags of an Auto Scaling group that nobody else may set, or that mean another node group."""


class Move(BaseModel):
    """From which of a group's Auto Scaling groups to which its nodes move."""

    model_config = ConfigDict(frozen=True)

    old: Home
    """As it was before."""
    nodegroup: str
    """Name of the new node group."""
    version: str | None = None
    """Its Kubernetes minor; None for the old one's."""
    min: int
    max: int
    """The whole group's sizes, in however many Auto Scaling groups it was."""
    into: str = ""
    """The new node group's Auto Scaling group, once EKS has made it."""
    settled: frozenset[str] = frozenset()
    """Instances where newcomers come that are none: of an earlier run, or, on the way back, those that never went."""
    base: int = 0
    """Size of the Auto Scaling group in which newcomers come, when this stage began."""
    grown: frozenset[str] = frozenset()
    """Those instances for which earlier stages have let one grow."""

    def receiver(self, *, back: bool) -> str:
        """Return the Auto Scaling group in which newcomers come."""
        return self.old.name if back else self.into


class MovePlan(BaseModel):
    """Between which node groups the nodes are to move."""

    model_config = ConfigDict(frozen=True)

    old: str
    nodegroup: str
    version: str | None = None
    """The Kubernetes minor of the new one; None where its image does not tell, so that it is the old one's."""
    exists: bool = False
    """Whether an earlier run has left the new one half filled: then this one goes on with it."""


def plan_move(group: Group, base: str, release: str, *, begun: bool) -> MovePlan:
    """Return how the group is to move; `base` is the policy's name of the node group.

    `begun`: its newest Auto Scaling group has the release already, and others still have nodes.
    """
    lead = group.homes[-1]
    if begun:
        others = [home for home in group.homes[:-1] if group.inhabited(home)]
        return MovePlan(old=others[-1].nodegroup, nodegroup=lead.nodegroup, exists=True)
    used = {home.nodegroup for home in group.homes}
    return MovePlan(old=lead.nodegroup, nodegroup=next(name for name in _names(base, release) if name not in used))


def _names(base: str, release: str) -> tuple[str, ...]:
    """The release's last part is its date, or Bottlerocket's commit; another Kubernetes minor may have the same one."""
    return f"{base}-{release.rpartition('-')[2]}", f"{base}-{release.replace('.', '-')}"


def why_no_move(plan: MovePlan, group: Group, old: Nodegroup, namesake: Nodegroup | None, release: str) -> str | None:
    """Return why the nodes cannot move as planned, or None. `namesake` has the new node group's name already."""
    left = [home for home in group.homes if group.inhabited(home) and home.nodegroup not in {plan.old, plan.nodegroup}]
    if left:
        also = ", ".join(home.nodegroup for home in left)
        return f"it has nodes in {also}, too: finish that move first, by an order that names its release"
    if old.custom:
        return f"node group {old.name} has a custom image: only `strategy: managed` updates it"
    if uncopied := [*old.uncopied, *(what for home in group.homes for what in home.attached)]:
        return f"of node group {old.name} cannot be copied: {', '.join(uncopied)}"
    if old.likeness.get("capacityType") == "CAPACITY_BLOCK":
        return f"node group {old.name} fills a capacity block, which has no room for a second one"
    if len(plan.nodegroup) > LONGEST_NAME:
        return f"{plan.nodegroup} is too long for the name of a node group: {LONGEST_NAME} characters at most"
    return _why_not_ours(namesake, group, release) if namesake else None


def _why_not_ours(namesake: Nodegroup, group: Group, release: str) -> str | None:
    """Same name, same node group: if an earlier run of ours made it for this release."""
    if namesake.tags.get(GROUP_TAG) != group.name:
        return f"there is a node group {namesake.name} already, and it is not ours (no tag {GROUP_TAG}={group.name})"
    if namesake.release != release:
        return f"node group {namesake.name} runs {namesake.release}, not {release}"
    return None


def move_changes(plan: MovePlan, old: Nodegroup, owner: str | None) -> tuple[str, ...]:
    """What a move touches beside the nodes themselves, in words."""
    made = "goes on with node group" if plan.exists else "new node group"
    changes = [
        f"{made} {plan.nodegroup}, with the labels, taints, subnets, types and settings of {plan.old}",
        f"not copied: hooks, policies and schedules that somebody put on the Auto Scaling group of {plan.old}",
        f"minimum size of {plan.old} to 0, while it rolls",
        f"node group {plan.old} is deleted in the end, once every node has moved, been admitted and been verified",
    ]
    if not old.startup_taint:
        changes.append(f"{plan.nodegroup} registers the startup taint")
    if owner:
        changes.append(f"{owner} made {plan.old}: it has to be told of {plan.nodegroup} before its next deployment")
    return tuple(changes)


def likeness_of(raw: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what CreateNodegroup takes of a described node group, and what it has beside that which we do not know.

    A key of EKS's that is newer than this code must stop a move, not be lost in it.
    """
    told = {key: value for key, value in raw.items() if value not in NOTHING}
    like = {key: told[key] for key in COPIED if key in told}
    if "launchTemplate" in like:
        like["launchTemplate"] = {key: like["launchTemplate"][key] for key in ("id", "version")}
    like["tags"] = {key: value for key, value in like.get("tags", {}).items() if not key.startswith("aws:")}
    return like, tuple(sorted(told.keys() - OWN - set(COPIED)))


def request_of(old: Nodegroup, move: Move, group: str, cluster: str, release: str) -> dict[str, Any]:
    """Return what CreateNodegroup is asked for: an empty one, so that it is tagged before an instance comes."""
    taints = list(old.likeness.get("taints", ()))
    if not old.startup_taint:
        taints.append({"key": STARTUP_TAINT.key, "value": STARTUP_TAINT.value, "effect": "NO_SCHEDULE"})
    return {
        **old.likeness,
        "clusterName": cluster,
        "nodegroupName": move.nodegroup,
        "version": move.version or old.version,
        "releaseVersion": release,
        "scalingConfig": {"minSize": 0, "maxSize": max(1, move.max), "desiredSize": 0},
        "taints": taints,
        "tags": {**old.likeness.get("tags", {}), CLUSTER_TAG: cluster, GROUP_TAG: group},
    }


def home_tags(move: Move, group: str, cluster: str) -> dict[str, str]:
    """Return the tags of the new Auto Scaling group: EKS passes none on, and without ours nobody may change it."""
    theirs = {key: value for key, value in move.old.tags.items() if not key.startswith(BY_EKS)}
    return {**theirs, CLUSTER_TAG: cluster, GROUP_TAG: group}
