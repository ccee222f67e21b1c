"""Label a new node with the device plugin configuration that its group's policy asks for.

In:  {"run": {...}, "find": {"node", ...}, "now": "..."}
Out: {"status": "configured", "reason", "config": "exclusive", "replicas": 1}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.policies import Policies
from gpuops.domain.admission.answers import Configured, Found
from gpuops.domain.errors import Refused, Unhealthy
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.run import Run
from gpuops.entry import entry

EXCLUSIVE_REPLICAS = 1


class Request(BaseModel):
    """In."""

    run: Run
    find: Found


def configure(request: Request, group: GroupPolicy, config_map: str | None, cluster: Cluster) -> Configured:
    """Label only where the configuration exists: a label that names a missing key crashes the plugin's sidecar.

    (k8s-device-plugin, cmd/config-manager/main.go: an unknown key is an error, whatever its README says.)
    """
    key = group.sharing
    missing = why_not(key, config_map, cluster)
    if missing:
        reason = f"{missing}: the plugin's own default stands"
        return Configured(reason=reason, config=key, replicas=EXCLUSIVE_REPLICAS)
    node = cluster.node(request.find.node or "")
    if node is None:
        raise Unhealthy(f"node {request.find.node} went away before it was configured")
    cluster.label_config(node, key)
    return Configured(reason=f"{PLUGIN_CONFIG_LABEL}={key}", config=key, replicas=EXCLUSIVE_REPLICAS)


def why_not(key: str, config: str | None, cluster: Cluster) -> str | None:
    """Why the label is left alone, or None. What may not be read is no fault of the node: its GPUs are counted next."""
    if config is None:
        return "the policy names no configurations of a device plugin"
    try:
        found = key in cluster.config_keys(config)
    except Refused as fault:
        return str(fault)
    return None if found else f"no {config} with {key}"


@entry(Request)
def handler(request: Request, now: datetime) -> Configured:  # noqa: ARG001 - no step of this one takes time
    """Configure the node that find_node found."""
    policy = Policies.from_env().at(request.run.policy)
    group, config_map = policy.group(request.run.group), policy.cluster(request.run.cluster).config_map
    return configure(request, group, config_map, Cluster.connect(request.run.cluster))
