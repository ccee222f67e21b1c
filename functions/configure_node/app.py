"""Label a new node with the device plugin configuration that its group's policy asks for.

In:  {"run": {...}, "find": {"node", ...}, "now": "..."}
Out: {"status": "configured" | "missing" | "unconfigured" | "left", "reason", "config": "exclusive", "replicas": 1,
      "resource": "nvidia.com/gpu"}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.policies import Policies
from gpuops.adapters.pools import Pools
from gpuops.domain.admission.answers import Configured, Found
from gpuops.domain.errors import Refused, Unhealthy
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import ClusterPolicy
from gpuops.domain.run import Run
from gpuops.domain.slicing.change import out_of_reach
from gpuops.domain.slicing.configured import shape_of
from gpuops.domain.slicing.shape import Shape
from gpuops.entry import entry


class Request(BaseModel):
    """In."""

    run: Run
    find: Found


def configure(request: Request, key: str, config_map: str | None, cluster: Cluster) -> Configured:
    """Label only where the configuration exists and the plugin takes it. Nothing else is a fault of the node."""
    default = Shape()
    node = cluster.node(request.find.node or "")
    if node is None:
        raise Unhealthy(f"node {request.find.node} went away before it was configured")
    if why := out_of_reach(node):
        return Configured(status="left", reason=f"left alone: {why}", config=key, replicas=default.replicas)
    try:
        shape = shape_at(config_map, key, cluster)
    except Refused as fault:
        reason = f"{fault}: the plugin's own default stands"
        return Configured(status="missing", reason=reason, config=key, replicas=default.replicas)
    cluster.label_config(node, key)
    reason = f"{PLUGIN_CONFIG_LABEL}={key}: {shape.replicas} {shape.resource} for each GPU"
    return Configured(reason=reason, config=key, replicas=shape.replicas, resource=shape.resource)


def shape_at(config_map: str | None, key: str, cluster: Cluster) -> Shape:
    """Read what the key comes to. Raises: Refused where there is no such key, or we may not read it."""
    if config_map is None:
        raise Refused("the policy names no configurations of a device plugin")
    return shape_of(cluster.config_text(config_map, key), key, config_map)


def in_order(answer: Configured, ours: ClusterPolicy) -> Configured:
    """What is missing of our own is written first, and then the node is configured."""
    if answer.status != "missing" or ours.mode != "apply" or not ours.device_plugin.manage:
        return answer
    return answer.model_copy(update={"status": "unconfigured"})


@entry(Request)
def handler(request: Request, now: datetime) -> Configured:  # noqa: ARG001 - no step of this one takes time
    """Configure the node that find_node found."""
    policy = Policies.from_env().at(request.run.policy)
    group, ours = policy.group(request.run.group), policy.cluster(request.run.cluster)
    return in_order(
        configure(request, Pools.from_env().key(group), ours.config_map, Cluster.connect(request.run.cluster)), ours
    )
