"""EKS managed node groups: what their nodes register with, which no user data of ours says."""

from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.config.node_drift import Declared
from gpuops.domain.keys import Taint

EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
"""The EKS API's own spelling (its reference, data type Taint)."""


class Nodegroups:
    """Reads node groups; writes nothing."""

    def __init__(self, eks: Any) -> None:
        self._eks = eks

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("eks"))

    def declared(self, cluster: str, name: str) -> Declared:
        """Return the labels and taints of the group. Raises: Invalid when there is none; Unavailable, Refused."""
        with translated(f"describe node group {name}"):
            found = self._eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
        return Declared(
            source=f"node group {name}",
            labels=found.get("labels") or {},
            taints=tuple(_taint(taint) for taint in found.get("taints") or ()),
        )


def _taint(raw: dict[str, str]) -> Taint:
    return Taint.model_validate({"key": raw["key"], "value": raw.get("value", ""), "effect": EFFECTS[raw["effect"]]})
