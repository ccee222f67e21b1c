"""What functions touch inside a cluster, each made when it is first asked for.

Imported late, since a function that needs no Kubernetes shall not pay for importing it (0.28 s, measured).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster
    from gpuops.adapters.disruptions import Disruptions
    from gpuops.adapters.jobs import Jobs
    from gpuops.adapters.metrics import Metrics
    from gpuops.adapters.objects import Objects
    from gpuops.adapters.prometheus import Prometheus
    from gpuops.adapters.resets import Resets
    from gpuops.adapters.workloads import Workloads
    from gpuops.domain.policy.prometheus import Prometheus as Place


class Inside:
    """The adapters of a cluster."""

    def cluster(self, name: str) -> "Cluster":
        """Connect to a cluster by its EKS name. Raises: Unavailable, Refused, Invalid."""
        from gpuops.adapters.cluster import Cluster  # noqa: PLC0415 - see the module's docstring

        return Cluster.connect(name)

    def jobs(self, cluster: "Cluster") -> "Jobs":
        """The smoke Jobs of a cluster, over the same connection."""
        from gpuops.adapters.jobs import Jobs  # noqa: PLC0415 - the same

        return Jobs(cluster.kube)

    def resets(self, cluster: "Cluster") -> "Resets":
        """The Jobs that reset GPUs of a cluster, over the same connection."""
        from gpuops.adapters.resets import Resets  # noqa: PLC0415 - the same

        return Resets(cluster.kube)

    def workloads(self, cluster: "Cluster") -> "Workloads":
        """What holds a cluster's GPUs, over the same connection."""
        from gpuops.adapters.workloads import Workloads  # noqa: PLC0415 - the same

        return Workloads(cluster.kube)

    def disruptions(self, cluster: "Cluster") -> "Disruptions":
        """The disruption budgets of a cluster, over the same connection."""
        from gpuops.adapters.disruptions import Disruptions  # noqa: PLC0415 - the same

        return Disruptions(cluster.kube)

    def objects(self, cluster: "Cluster") -> "Objects":
        """What gpuops installs in a cluster, over the same connection."""
        from gpuops.adapters.objects import Objects  # noqa: PLC0415 - the same

        return Objects(cluster.kube)

    def metrics(self, cluster: "Cluster", namespaces: Iterable[str]) -> "Metrics":
        """The exporters of a cluster, over the same connection; `namespaces` are those that the policy names."""
        from gpuops.adapters.metrics import Metrics  # noqa: PLC0415 - the same

        return Metrics(cluster.kube, namespaces)

    def prometheus(self, place: "Place") -> "Prometheus":
        """Whoever has the series of its exporters."""
        from gpuops.adapters.prometheus import Prometheus  # noqa: PLC0415 - the same

        return Prometheus.of(place)
