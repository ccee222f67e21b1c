"""What EKS does inside the cluster during an update: look, cordon, evict; on the real apiserver, as its admin.

Leaves out the wait for volumes to detach, and EKS's label that takes nodes out of load balancers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rehearsal.kube import NOT_FOUND, Json, KubeApi, KubeError

BLOCKED = 429
MIRROR = "kubernetes.io/config.mirror"


class Nodes:
    """Nodes and pods by name; what is gone already is fine."""

    def __init__(self, kube: KubeApi) -> None:
        self._kube = kube

    def is_ready(self, name: str) -> bool:
        """Whether kubelet says so; taints do not matter to EKS."""
        node = self._kube.find(f"/api/v1/nodes/{name}") or {}
        conditions = node.get("status", {}).get("conditions", ())
        return any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)

    def cordon(self, name: str, *, on: bool) -> None:
        """Keep new pods away, or no longer."""
        if self._kube.find(f"/api/v1/nodes/{name}"):
            self._kube.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": on or None}})

    def evict(self, name: str, *, force: bool) -> int:
        """Tell every pod to go that an update does not leave there; return how many are still there."""
        pods = [pod for pod in self._kube.list("/api/v1/pods", fieldSelector=f"spec.nodeName={name}") if _must_go(pod)]
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"]:
                self._tell(pod, force=force)
        return len(pods)

    def _tell(self, pod: Json, *, force: bool) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        name = {"name": meta["name"], "namespace": meta["namespace"]}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
        try:
            if force:
                self._kube.delete(path)
            else:
                self._kube.create(f"{path}/eviction", eviction)
        except KubeError as error:
            if error.status not in {BLOCKED, NOT_FOUND}:
                raise


def _must_go(pod: Mapping[str, Any]) -> bool:
    meta = pod["metadata"]
    owners: Iterable[Mapping[str, Any]] = meta.get("ownerReferences", ())
    stays = any(owner["kind"] == "DaemonSet" for owner in owners) or MIRROR in meta.get("annotations", {})
    return not stays and pod["status"].get("phase") not in {"Succeeded", "Failed"}
