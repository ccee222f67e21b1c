"""EKS managed node groups: what they are, what their nodes register with, how they come and go, and two settings."""

from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.config.node_drift import Declared
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import STARTUP_TAINT_KEY, Taint
from gpuops.domain.rotation.group import Template
from gpuops.domain.rotation.move import likeness_of
from gpuops.domain.rotation.nodegroup import DELETING, Nodegroup, UpdateStrategy

EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
"""The EKS API's own spelling (its reference, data type Taint)."""


MISSING = "ResourceNotFoundException: No node group found"


class Nodegroups:
    """Managed node groups of one account and region. All methods raise Invalid, Conflict, Unavailable or Refused."""

    def __init__(self, eks: Any) -> None:
        self._eks = eks

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("eks"))

    def describe(self, cluster: str, name: str) -> Nodegroup:
        """Return the node group as it is now. Raises: Invalid when there is none."""
        return _nodegroup(name, self._describe(cluster, name))

    def find(self, cluster: str, name: str) -> Nodegroup | None:
        """Return the node group as it is now, or None when there is none of that name."""
        try:
            return self.describe(cluster, name)
        except Invalid as error:
            if MISSING in str(error):
                return None
            raise

    def create(self, asked: dict[str, Any], token: str) -> None:
        """Let EKS make a node group, which takes it a while. Idempotent by `token`.

        Raises: Conflict where one of that name is there.
        """
        with translated(f"create node group {asked['nodegroupName']}"):
            self._eks.create_nodegroup(**asked, clientRequestToken=token)

    def delete(self, cluster: str, name: str) -> None:
        """Let EKS take the node group away, which takes it a while; one that goes, or has gone, is fine.

        Raises: Conflict while EKS is at work on the node group.
        """
        found = self.find(cluster, name)
        if found and found.status != DELETING:
            with translated(f"delete node group {name}"):
                self._eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)

    def set_sizes(self, cluster: str, name: str, least: int, most: int, token: str) -> None:
        """Let EKS change minimum and maximum, which takes it a while. Idempotent by `token`.

        Raises: Conflict while EKS is at work on the node group.
        """
        sizes = {"minSize": least, "maxSize": max(1, most)}
        with translated(f"update the sizes of node group {name}"):
            self._eks.update_nodegroup_config(
                clusterName=cluster, nodegroupName=name, scalingConfig=sizes, clientRequestToken=token
            )

    def repairs(self, cluster: str, name: str) -> bool:
        """Return whether EKS repairs the node group's nodes by itself. Raises: Invalid when there is none."""
        return bool((self._describe(cluster, name).get("nodeRepairConfig") or {}).get("enabled"))

    def set_strategy(self, cluster: str, name: str, strategy: UpdateStrategy, token: str) -> None:
        """Let EKS change the update strategy, which takes it a while. Idempotent by `token`.

        Raises: Conflict while EKS is at work on the node group.
        """
        with translated(f"update the configuration of node group {name}"):
            self._eks.update_nodegroup_config(
                clusterName=cluster,
                nodegroupName=name,
                updateConfig={"updateStrategy": strategy},
                clientRequestToken=token,
            )

    def declared(self, cluster: str, name: str) -> Declared:
        """Return the labels and taints of the group. Raises: Invalid when there is none."""
        found = self._describe(cluster, name)
        return Declared(
            source=f"node group {name}",
            labels=found.get("labels") or {},
            taints=tuple(_taint(taint) for taint in found.get("taints") or ()),
        )

    def _describe(self, cluster: str, name: str) -> dict[str, Any]:
        with translated(f"describe node group {name}"):
            answer = self._eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)
        found: dict[str, Any] = answer["nodegroup"]
        return found


def _nodegroup(name: str, found: dict[str, Any]) -> Nodegroup:
    like, uncopied = likeness_of(found)
    issues = found.get("health", {}).get("issues", [])
    return Nodegroup(
        name=name,
        status=found["status"],
        version=found.get("version", ""),
        release=found.get("releaseVersion", ""),
        ami_type=found.get("amiType", ""),
        groups=tuple(group["name"] for group in (found.get("resources") or {}).get("autoScalingGroups", [])),
        strategy=(found.get("updateConfig") or {}).get("updateStrategy", "DEFAULT"),
        unavailable=int((found.get("updateConfig") or {}).get("maxUnavailable") or 1),
        unavailable_percent=(found.get("updateConfig") or {}).get("maxUnavailablePercentage"),
        template=_template(found.get("launchTemplate")),
        startup_taint=any(taint["key"] == STARTUP_TAINT_KEY for taint in found.get("taints") or ()),
        issues=tuple(f"{issue.get('code')}: {issue.get('message')}" for issue in issues),
        tags=found.get("tags") or {},
        likeness=like,
        uncopied=uncopied,
    )


def _template(raw: dict[str, str] | None) -> Template | None:
    return Template(id=raw["id"], version=raw["version"]) if raw else None


def _taint(raw: dict[str, str]) -> Taint:
    return Taint.model_validate({"key": raw["key"], "value": raw.get("value", ""), "effect": EFFECTS[raw["effect"]]})
