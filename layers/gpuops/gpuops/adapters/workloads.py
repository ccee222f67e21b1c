"""The containers that hold GPUs on some nodes of a cluster: one list for all of them, however many nodes there are."""

from collections.abc import Collection

from gpuops.adapters.kube import Kube
from gpuops.domain.drivers.workloads import Use, uses_of


class Workloads:
    """Reads pods. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def on(self, nodes: Collection[str]) -> list[Use]:
        """Return the different uses on these nodes, in the order of their workloads."""
        wanted = frozenset(nodes)
        pods = self._kube.get_all("/api/v1/pods", [("fieldSelector", "spec.nodeName!=")])
        found = {use for raw in pods if raw["spec"].get("nodeName") in wanted for use in uses_of(raw)}
        return sorted(found, key=lambda use: (use.workload, use.image, use.digest, use.told or ()))
