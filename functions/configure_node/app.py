"""Label a new node with the device plugin configuration that its group's policy asks for.

In:  {"run": {...}, "find": {"node", ...}, "now": "..."}
Out: {"status": "configured", "reason", "config": "exclusive", "replicas": 1}
"""

from datetime import datetime

from pydantic import BaseModel

from gpuops.adapters.cluster import Cluster
from gpuops.adapters.policies import Policies
from gpuops.domain.admission.answers import Configured, Found
from gpuops.domain.errors import Unhealthy
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL, PLUGIN_CONFIG_MAP
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.run import Run
from gpuops.entry import entry

EXCLUSIVE_REPLICAS = 1


class Request(BaseModel):
    """In."""

    run: Run
    find: Found


def configure(request: Request, group: GroupPolicy, cluster: Cluster) -> Configured:
    """Label only where the configuration exists: a label that names a missing key crashes the plugin's sidecar.

    (k8s-device-plugin, cmd/config-manager/main.go: an unknown key is an error, whatever its README says.)
    """
    key = group.sharing
    if key not in cluster.config_keys(PLUGIN_CONFIG_MAP):
        reason = f"no {PLUGIN_CONFIG_MAP} with {key}: the plugin's own default stands"
        return Configured(reason=reason, config=key, replicas=EXCLUSIVE_REPLICAS)
    node = cluster.node(request.find.node or "")
    if node is None:
        raise Unhealthy(f"node {request.find.node} went away before it was configured")
    cluster.label_config(node, key)
    return Configured(reason=f"{PLUGIN_CONFIG_LABEL}={key}", config=key, replicas=EXCLUSIVE_REPLICAS)


@entry(Request)
def handler(request: Request, now: datetime) -> Configured:  # noqa: ARG001 - no step of this one takes time
    """Configure the node that find_node found."""
    group = Policies.from_env().at(request.run.policy).group(request.run.group)
    return configure(request, group, Cluster.connect(request.run.cluster))
