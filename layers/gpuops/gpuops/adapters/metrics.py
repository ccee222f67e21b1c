"""A node's dcgm-exporter, read through the apiserver's proxy to its pod: no way into the pods' network is needed.

Whichever exporter runs there is asked, ours or the operator's: two on one node would break the profiling metrics.
"""

from collections.abc import Mapping
from typing import Any

from gpuops.adapters.kube import Kube, on_node

PORT = 9400
NAMES = {"dcgm-exporter", "nvidia-dcgm-exporter", "gpuops-dcgm-exporter"}
"""Its own Helm chart's, GPU Operator's, ours; as `app.kubernetes.io/name` or `app`."""
IMAGE = "dcgm-exporter"


class Metrics:
    """What the exporters of one cluster say."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def scrape(self, node: str) -> str | None:
        """Return the text of the node's exporter; None where no exporter runs on it, or it is gone by now.

        Raises: Unavailable when it does not answer; Refused when its namespace does not let us ask it.
        """
        query = on_node(node, "status.phase=Running")
        pods = (pod for pod in self._kube.get_all("/api/v1/pods", query) if is_exporter(pod))
        pod = next(pods, None)
        if pod is None:
            return None
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{PORT}/proxy/metrics"
        return self._kube.get_text(path) or None


def is_exporter(pod: Mapping[str, Any]) -> bool:
    """By its labels, or by its image, which a mirror may have put anywhere but rarely renames."""
    labels = pod["metadata"].get("labels", {})
    if NAMES & {labels.get("app.kubernetes.io/name"), labels.get("app")}:
        return True
    images = (container.get("image", "") for container in pod.get("spec", {}).get("containers", ()))
    return any(IMAGE in image.rpartition("/")[2] for image in images)
