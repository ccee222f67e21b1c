"""The nodes' dcgm-exporters, read through the apiserver's proxy to their pods: no way into the pods' network is needed.

Whoever may make pods may label one as an exporter, so only those in namespaces that we know, or that the policy names,
are asked. Two of them on one node break the profiling metrics and may contradict one another: then neither is believed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from gpuops.adapters.kube import Kube, on_node
from gpuops.domain.dcgm.readings import Readings, read_exporter
from gpuops.domain.dcgm.series import MAX_CHARACTERS
from gpuops.domain.errors import Unavailable
from gpuops.domain.keys import SYSTEM_NAMESPACE

PORT = 9400
NAMESPACES = (SYSTEM_NAMESPACE, "kube-system", "gpu-operator")
"""Ours, the cluster's own, and GPU Operator's."""
NAMES = {"dcgm-exporter", "nvidia-dcgm-exporter", "gpuops-dcgm-exporter"}
"""Its own Helm chart's, GPU Operator's, ours; as `app.kubernetes.io/name` or `app`."""
IMAGE = "dcgm-exporter"
AT_ONCE = 8
"""Exporters that are asked beside one another."""
PODS = "/api/v1/pods"
RUNNING = "status.phase=Running"
Pod = Mapping[str, Any]


class Metrics:
    """What the exporters of one cluster say; `more` are namespaces of the policy."""

    def __init__(self, kube: Kube, more: Iterable[str] = ()) -> None:
        self._kube = kube
        self._namespaces = {*NAMESPACES, *more}

    def scrape(self, node: str) -> str | None:
        """Return the text of the node's exporter; None where no exporter runs on it, or it is gone by now.

        Raises: Unavailable when it does not answer, or is not the only one; Invalid when it says too much; Refused when
        its namespace does not let us ask it.
        """
        pods = self._kube.get_all(PODS, on_node(node, RUNNING))
        return self._text([pod for pod in self._trusted(pods) if is_exporter(pod)])

    def read_all(self, nodes: Collection[str], now: datetime) -> dict[str, Readings]:
        """Return what each node's exporter says, or why it says nothing.

        The exporters are found by their labels, since one list of all pods of a large cluster takes longer than all of
        this; some are asked at once, and a text is read where it comes in, for a thousand of them would not fit a
        function's memory. Raises: Unavailable, Refused where the pods cannot be listed.
        """
        found = self._by_node()

        def read(node: str) -> Readings:
            return read_exporter(lambda: self._text(found.get(node, ())), node, now)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(nodes, pool.map(read, nodes), strict=True))

    def _by_node(self) -> Mapping[str, Sequence[Pod]]:
        """Every exporter that is believed, once, whichever of its labels it was found by."""
        names = ",".join(sorted(NAMES))
        found: dict[str, dict[str, Pod]] = {}
        for label in ("app.kubernetes.io/name", "app"):
            query = [("labelSelector", f"{label} in ({names})"), ("fieldSelector", RUNNING)]
            for pod in self._trusted(self._kube.get_all(PODS, query)):
                found.setdefault(pod["spec"].get("nodeName", ""), {})[_title(pod)] = pod
        return {node: list(pods.values()) for node, pods in found.items()}

    def _trusted(self, pods: Iterable[Pod]) -> Iterator[Pod]:
        """Those in our namespaces that are not on their way out: an update leaves two on a node for a moment."""
        for pod in pods:
            meta = pod["metadata"]
            if meta["namespace"] in self._namespaces and "deletionTimestamp" not in meta:
                yield pod

    def _text(self, pods: Sequence[Pod]) -> str | None:
        if len(pods) > 1:
            titles = ", ".join(sorted(map(_title, pods))[:2])
            raise Unavailable(f"{len(pods)} exporters run on the node ({titles}), and neither is believed: keep one")
        return (self._kube.get_text(_page(pods[0]), most=MAX_CHARACTERS) or None) if pods else None


def _title(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _page(pod: Pod) -> str:
    """Where the apiserver's proxy shows it."""
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{PORT}/proxy/metrics"


def is_exporter(pod: Pod) -> bool:
    """By its labels, or by its image, which a mirror may have put anywhere but rarely renames."""
    labels = pod["metadata"].get("labels", {})
    if NAMES & {labels.get("app.kubernetes.io/name"), labels.get("app")}:
        return True
    images = (container.get("image", "") for container in pod.get("spec", {}).get("containers", ()))
    return any(IMAGE in image.rpartition("/")[2] for image in images)
