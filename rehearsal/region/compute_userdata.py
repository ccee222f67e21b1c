"""The NodeConfig that a scenario's group boots with, as nodeadm reads it from an AL2023 instance's user data.

Leaves out: Bottlerocket's TOML (its groups get a NodeConfig too, because the simulated kubelet reads nothing else) and
MIME parts; a scenario that needs another shape gives its own `user_data`.
"""

import base64

import yaml

from rehearsal.region.eks import Cluster
from rehearsal.scenario import Group

STARTUP_TAINT = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops=pending:NoSchedule"


def user_data(group: Group, cluster: Cluster) -> str:
    """Base64, as a launch template carries it."""
    text = group.user_data if group.user_data is not None else node_config(group, cluster)
    return base64.b64encode(text.encode()).decode()


def node_config(group: Group, cluster: Cluster) -> str:
    """Labels and taints travel as kubelet flags, each one comma-separated list."""
    taints = [*group.taints, *([STARTUP_TAINT] if group.startup_taint else [])]
    flags = []
    if group.labels:
        flags.append("--node-labels=" + ",".join(f"{key}={value}" for key, value in group.labels.items()))
    if taints:
        flags.append("--register-with-taints=" + ",".join(taints))
    ca = base64.b64encode(cluster.ca_pem.encode()).decode()
    where = {"name": cluster.name, "apiServerEndpoint": cluster.endpoint, "certificateAuthority": ca}
    spec = {"cluster": {**where, "cidr": "172.20.0.0/16"}, "kubelet": {"flags": flags}}
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    return yaml.safe_dump(config, sort_keys=False)
