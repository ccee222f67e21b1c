"""The user data that a scenario's group boots with: nodeadm's NodeConfig, or Bottlerocket's settings.

Leaves out MIME parts and everything that has nothing to do with joining the cluster; a scenario that needs another
shape gives its own `user_data`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import yaml

from rehearsal.region.eks.cluster import Cluster
from rehearsal.scenario import Group


def user_data(group: Group, family: str, cluster: Cluster) -> str:
    """Base64, as a launch template carries it."""
    if group.user_data is not None:
        text = group.user_data
    else:
        text = bottlerocket_settings(group, cluster) if family == "bottlerocket" else node_config(group, cluster)
    return base64.b64encode(text.encode()).decode()


def node_config(group: Group, cluster: Cluster) -> str:
    """Labels and taints travel as kubelet flags, each one comma-separated list."""
    flags = []
    if group.labels:
        flags.append("--node-labels=" + ",".join(f"{key}={value}" for key, value in group.labels.items()))
    if group.all_taints:
        flags.append("--register-with-taints=" + ",".join(group.all_taints))
    where = {"name": cluster.name, "apiServerEndpoint": cluster.endpoint, "certificateAuthority": _ca(cluster)}
    spec = {"cluster": {**where, "cidr": "172.20.0.0/16"}, "kubelet": {"flags": flags}}
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    return yaml.safe_dump(config, sort_keys=False)


def bottlerocket_settings(group: Group, cluster: Cluster) -> str:
    """TOML with labels and taints as tables; JSON's strings and lists are TOML's too."""
    settings = {"cluster-name": cluster.name, "api-server": cluster.endpoint, "cluster-certificate": _ca(cluster)}
    taints: dict[str, list[str]] = {}
    for taint in group.all_taints:
        pair, _, effect = taint.rpartition(":")
        key, _, value = pair.partition("=")
        taints.setdefault(key, []).append(f"{value}:{effect}")
    tables: dict[str, Mapping[str, object]] = {"": settings, ".node-labels": group.labels, ".node-taints": taints}
    named = {f"settings.kubernetes{name}": table for name, table in tables.items()}
    return "\n".join(_table(name, table) for name, table in {**named, **_flat("settings", group.settings)}.items())


def _flat(name: str, values: Mapping[str, Any]) -> dict[str, Mapping[str, object]]:
    """Nested settings as TOML's tables, each with its plain values."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    tables: dict[str, Mapping[str, object]] = {name: plain} if plain else {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            tables |= _flat(f"{name}.{key}", value)
    return tables


def _table(name: str, values: Mapping[str, object]) -> str:
    return "".join([f"[{name}]\n", *(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in values.items())])


def _ca(cluster: Cluster) -> str:
    return base64.b64encode(cluster.ca_pem.encode()).decode()
