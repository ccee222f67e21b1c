"""NVIDIA's device plugin as its effect: how many replicas of each GPU a node's configuration publishes.

Follows plugin v0.20.0 where it matters here: unknown keys share nothing, replicas below 2 make it exit, and so does
a label that names a key which the ConfigMap does not have (its config-manager then ends with an error).
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from rehearsal.kube import Json
from rehearsal.kubelets.devices import RESOURCE

CONFIG_LABEL: Final = "nvidia.com/device-plugin.config"
CONFIG_VOLUME: Final = "available-configs"


def is_plugin(pod: Json) -> bool:
    """Whether the pod runs the device plugin."""
    return _runs(pod, "k8s-device-plugin")


def is_exporter(pod: Json) -> bool:
    """Whether the pod runs dcgm-exporter."""
    return _runs(pod, "dcgm-exporter")


def configs_of(pod: Json) -> str | None:
    """Name the ConfigMap that the plugin's pod mounts as its available configurations."""
    mounted = (v.get("configMap", {}).get("name") for v in pod["spec"].get("volumes", ()) if v["name"] == CONFIG_VOLUME)
    return next(mounted, None)


def replicas_of(configs: Mapping[str, str] | None, key: str | None) -> int | None:
    """Replicas per GPU under the configuration `key`; None when the plugin would exit over it."""
    if not key or configs is None:
        return 1
    if key not in configs:
        return None
    try:
        config = yaml.safe_load(configs[key]) or {}
    except yaml.YAMLError:
        return None
    if not isinstance(config, dict) or config.get("version", "v1") != "v1":
        return None
    return _shared(config)


def _shared(config: Json) -> int | None:
    slicing = (config.get("sharing") or {}).get("timeSlicing")
    if slicing is None:
        return 1
    resources = slicing.get("resources") if isinstance(slicing, dict) else None
    if not resources or not all(_is_valid(resource) for resource in resources):
        return None
    return int(next((r["replicas"] for r in resources if r["name"] in (RESOURCE, "gpu")), 1))


def _is_valid(resource: Any) -> bool:
    replicas = resource.get("replicas") if isinstance(resource, dict) else None
    whole = isinstance(replicas, int | float) and not isinstance(replicas, bool) and replicas == int(replicas)
    return whole and bool(resource.get("name")) and int(replicas or 0) >= 2  # noqa: PLR2004 - the parser's own bound


def _runs(pod: Json, image: str) -> bool:
    return any(image in container["image"] for container in pod["spec"]["containers"])
