"""A node's dcgm-exporter, read through the apiserver's proxy to its pod: no way into the pods' network is needed.

Whichever exporter runs there is asked, ours or the operator's: two on one node would break the profiling metrics.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gpuops.adapters.kube import Kube, on_node
from gpuops.domain.errors import Invalid, Refused, Unavailable

PORT = 9400
NAMES = {"dcgm-exporter", "nvidia-dcgm-exporter", "gpuops-dcgm-exporter"}
"""Its own Helm chart's, GPU Operator's, ours; as `app.kubernetes.io/name` or `app`."""
IMAGE = "dcgm-exporter"
AT_ONCE = 8
"""Exporters that are asked beside one another."""


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
        return self._kube.get_text(_page(pod)) or None

    def scrape_all(self, nodes: Collection[str]) -> dict[str, str | None]:
        """Return the text of each node's exporter; None where none runs, or it does not answer.

        The exporters are found by their labels, since one list of all pods of a large cluster takes longer than all of
        this; some are asked at once. Raises: Unavailable, Refused where the pods cannot be listed.
        """
        names = ",".join(sorted(NAMES))
        queries = ([("labelSelector", f"{label} in ({names})")] for label in ("app.kubernetes.io/name", "app"))
        pods = {p["spec"].get("nodeName"): p for query in queries for p in self._kube.get_all("/api/v1/pods", query)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(nodes, pool.map(lambda node: self._text(pods.get(node)), nodes), strict=True))

    def _text(self, pod: Mapping[str, Any] | None) -> str | None:
        """The page of one exporter; one that is broken says nothing."""
        if pod is None:
            return None
        try:
            return self._kube.get_text(_page(pod)) or None
        except (Invalid, Refused, Unavailable):
            return None


def _page(pod: Mapping[str, Any]) -> str:
    """Where the apiserver's proxy shows it."""
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{PORT}/proxy/metrics"


def is_exporter(pod: Mapping[str, Any]) -> bool:
    """By its labels, or by its image, which a mirror may have put anywhere but rarely renames."""
    labels = pod["metadata"].get("labels", {})
    if NAMES & {labels.get("app.kubernetes.io/name"), labels.get("app")}:
        return True
    images = (container.get("image", "") for container in pod.get("spec", {}).get("containers", ()))
    return any(IMAGE in image.rpartition("/")[2] for image in images)
