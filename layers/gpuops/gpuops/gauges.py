"""Where GPUs are read: in the Prometheus that the cluster's policy names, or at the exporters themselves.

A Prometheus is asked once for all nodes. When it fails a pool holds, since nothing presses; faults are then looked for
at the exporters, a part of them at each look, and people hear of it as of exporters that are silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gpuops.adapters.world import World
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.errors import Invalid, Refused, Unavailable
from gpuops.domain.faults.shards import shard_of
from gpuops.domain.policy import ClusterPolicy

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster


@dataclass(frozen=True)
class Look:
    """What is known of nodes' faults."""

    readings: Mapping[str, Readings]
    source: str
    looks: int = 1
    """In so many looks each node is read once."""
    why: str = ""
    """Why it is not from where it should be."""


class Gauges:
    """The GPUs of one cluster at one look."""

    def __init__(self, world: World, cluster: "Cluster", policy: ClusterPolicy, nodes: Sequence[str]) -> None:
        self._world, self._cluster, self._policy, self._nodes = world, cluster, policy, nodes
        self._told: Mapping[str, Readings] | None = None

    def of(self, nodes: Sequence[str], now: datetime) -> Mapping[str, Readings]:
        """Return what is known of these nodes. Raises: Unavailable, Refused, Invalid where nobody can be asked."""
        place = self._policy.prometheus
        if place is None:
            return self._exporters(nodes, now)
        if self._told is None:
            self._told = self._world.prometheus(place).read_all(self._nodes, now)
        return self._told

    def faults(self, now: datetime) -> Look:
        """Return the Xids and clock events of every node, or of those whose turn it is."""
        place = self._policy.prometheus
        if place is None:
            return self._part(now)
        try:
            return Look(self._world.prometheus(place).read_faults(self._nodes, now), "Prometheus's word")
        except (Invalid, Refused, Unavailable) as fault:
            return self._part(now, f"; {fault}")

    def _part(self, now: datetime, why: str = "") -> Look:
        shard = shard_of(self._nodes, now)
        return Look(self._exporters(shard.nodes, now), "exporters' answers", shard.looks, why)

    def _exporters(self, nodes: Sequence[str], now: datetime) -> dict[str, Readings]:
        return self._world.metrics(self._cluster, self._policy.dcgm_exporter.namespaces).read_all(nodes, now)
