"""What one look at the canaries of a change sees: their instances, Nodes, pods and exporters."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gpuops.adapters.kube import on_node
from gpuops.adapters.world import World
from gpuops.domain.cluster import read_node
from gpuops.domain.dcgm.readings import read_exporter
from gpuops.domain.rotation.bake import CanaryNode
from gpuops.domain.rotation.claim import Claim
from gpuops.domain.rotation.crashes import Crashing, blamed, read_crashing
from gpuops.domain.run import Run

if TYPE_CHECKING:
    from gpuops.adapters.cluster import Cluster
    from gpuops.adapters.metrics import Metrics

PODS = "/api/v1/pods"


def look(run: Run, canaries: Sequence[Claim], max_restarts: int, world: World) -> list[CanaryNode]:
    """Return how each canary is. Raises: what the adapters raise."""
    if not canaries:
        return []
    staying = {instance.id for instance in world.groups.describe(run.group).staying}
    cluster = world.cluster(run.cluster)
    metrics = world.metrics(cluster, world.policies.at(run.policy).cluster(run.cluster).dcgm_exporter.namespaces)
    names = {claim.node for claim in canaries}
    return [_look(claim, names, max_restarts, cluster, metrics) for claim in canaries if claim.new in staying] + [
        CanaryNode(claim.new, claim.node, None) for claim in canaries if claim.new not in staying
    ]


def _look(claim: Claim, canaries: set[str], max_restarts: int, cluster: "Cluster", metrics: "Metrics") -> CanaryNode:
    raw = cluster.kube.get(f"/api/v1/nodes/{claim.node}")
    if raw is None:
        return CanaryNode(claim.new, claim.node, None)
    return CanaryNode(
        instance=claim.new,
        name=claim.node,
        node=read_node(raw),
        ready_since=_ready_since(raw),
        readings=read_exporter(partial(metrics.scrape, claim.node)),
        crashing=_crashing(claim.node, canaries, max_restarts, cluster),
    )


def _ready_since(raw: Mapping[str, Any]) -> str:
    conditions: Iterable[Mapping[str, str]] = raw.get("status", {}).get("conditions", ())
    return next((c.get("lastTransitionTime", "") for c in conditions if c.get("type") == "Ready"), "")


def _crashing(node: str, canaries: set[str], max_restarts: int, cluster: "Cluster") -> list[Crashing]:
    """The pods that the node is blamed for; the whole cluster's are only read where one restarted too often."""
    here = read_crashing(cluster.kube.get_all(PODS, on_node(node)))
    if not blamed(here, (), max_restarts):
        return []
    others = (pod for pod in cluster.kube.get_all(PODS) if pod["spec"].get("nodeName") not in canaries)
    return blamed(here, read_crashing(others), max_restarts)
