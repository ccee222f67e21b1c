"""What decides about a node's sharing, gathered from cluster, exporter and EC2, each asked only where it matters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpuops.domain.cluster import Node, Pod
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.policy import ClusterPolicy
from gpuops.domain.slicing.change import Readings, Sight, needs_readings
from gpuops.domain.slicing.configured import shape_of
from gpuops.domain.slicing.shape import Goal, Shape, shape_offered
from gpuops.domain.tenants import holders_of

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster
    from gpuops.adapters.world import World


class Sights:
    """Looks at nodes of one cluster, whose policy says where their configurations stand; each of those is read once."""

    def __init__(self, world: "World", cluster: "Cluster", policy: ClusterPolicy) -> None:
        self._world, self.cluster, self._title = world, cluster, policy.config_map or ""
        self._namespaces = policy.dcgm_exporter.namespaces
        self._shapes: dict[str, Shape] = {}

    def goal(self, key: str) -> Goal:
        """Return what the key comes to. Raises: Refused when no node may be labelled with it; Unavailable."""
        if key not in self._shapes:
            self._shapes[key] = shape_of(self.cluster.config_text(self._title, key), key, self._title)
        return Goal(key, self._shapes[key])

    def of(self, node: Node, pods: Sequence[Pod], wanted: Shape) -> Sight:
        """Look at one node. What cannot be found out is None, and counts against a change; the rest raises."""
        now = self._shape_of(node) if holders_of(pods) else None
        readings = self._readings(node.name) if needs_readings(pods, now, wanted) else None
        return Sight(node, pods, now, readings)

    def _shape_of(self, node: Node) -> Shape | None:
        """By its label, or, without one, by what it offers."""
        if node.config is None:
            return shape_offered(node, self._world.instances.gpus(node.instance))
        try:
            return self.goal(node.config).shape
        except Refused:  # a key that is gone: nobody can say any more what it was
            return None

    def _readings(self, name: str) -> Readings | None:
        """An exporter that may not be asked, or gives no answer, is as good as none: then pods are waited for."""
        try:
            text = self._world.metrics(self.cluster, self._namespaces).scrape(name)
            return read_samples(text) if text else None
        except (Invalid, Refused, Unavailable):
            return None
