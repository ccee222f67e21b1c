"""NVIDIA's device plugin as its effect: how a node's configuration shares each GPU.

Follows plugin v0.20.0 where it matters here: unknown keys share nothing, replicas below 2 make it exit, and so does
a label that names a key which the ConfigMap does not have (its config-manager then ends with an error). Which
configuration counts follows config-manager: the node's label, else the default, else the fallback strategies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from rehearsal.kube import Json
from rehearsal.kubelets.devices import RESOURCE, Sharing

CONFIG_LABEL: Final = "nvidia.com/device-plugin.config"
CONFIG_VOLUME: Final = "available-configs"
FALLBACK_KEY: Final = "default"
"""The key that the strategy `named` takes."""


@dataclass(frozen=True)
class Manager:
    """How a pod's config-manager chooses, by its environment; without one, the label alone counts."""

    label: str = CONFIG_LABEL
    default: str | None = None
    fallbacks: tuple[str, ...] = ("empty",)

    def wanted(self, labels: Mapping[str, str]) -> str | None:
        """The key that is asked for by name; None when the fallbacks decide."""
        return labels.get(self.label) or self.default

    def choose(self, labels: Mapping[str, str], configs: Mapping[str, str]) -> str | None:
        """The key to load, "" for none at all; None when there is nothing to choose and config-manager ends."""
        if wanted := self.wanted(labels):
            return wanted if wanted in configs else None
        for strategy in self.fallbacks:
            if strategy == "named" and FALLBACK_KEY in configs:
                return FALLBACK_KEY
            if strategy == "single" and len(configs) == 1:
                return next(iter(configs))
            if strategy == "empty":
                return ""
        return None


def manager_of(pod: Json) -> Manager:
    """Read the environment of the container that runs config-manager, if one does."""
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
        env = {item["name"]: item.get("value", "") for item in container.get("env") or ()}
        if "NODE_LABEL" in env:
            fallbacks = tuple(part for part in env.get("FALLBACK_STRATEGIES", "").split(",") if part)
            return Manager(env["NODE_LABEL"], env.get("DEFAULT_CONFIG") or None, fallbacks)
    return Manager()


def is_plugin(pod: Json) -> bool:
    """Whether the pod runs the device plugin."""
    return _runs(pod, "k8s-device-plugin")


def is_exporter(pod: Json) -> bool:
    """Whether the pod runs dcgm-exporter."""
    return _runs(pod, "dcgm-exporter")


def configs_of(pod: Json) -> str | None:
    """Name the ConfigMap that the plugin's pod mounts as its available configurations."""
    sources = {CONFIG_VOLUME}
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
        env = {item["name"]: item.get("value", "") for item in container.get("env") or ()}
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts") or ()}
        sources |= {mounts[path] for path in (env.get("CONFIG_FILE_SRCDIR"),) if path in mounts}
    mounted = (v.get("configMap", {}).get("name") for v in pod["spec"].get("volumes", ()) if v["name"] in sources)
    return next(mounted, None)


def sharing_of(configs: Mapping[str, str], key: str | None) -> Sharing | None:
    """How the configuration `key` shares, "" for none; None when the plugin would exit over it."""
    if key == "":
        return Sharing()
    if key is None or key not in configs:
        return None
    try:
        config = yaml.safe_load(configs[key]) or {}
    except yaml.YAMLError:
        return None
    if not isinstance(config, dict) or config.get("version", "v1") != "v1":
        return None
    return _shared(config.get("sharing") or {})


def _shared(sharing: Json) -> Sharing | None:
    slicing = sharing.get("mps") or sharing.get("timeSlicing")
    if slicing is None:
        return Sharing()
    resources = slicing.get("resources") if isinstance(slicing, dict) else None
    if not resources or not all(_is_valid(resource) for resource in resources):
        return None
    replicas = int(next((r["replicas"] for r in resources if r["name"] in (RESOURCE, "gpu")), 1))
    flags = [slicing.get(name, False) for name in ("renameByDefault", "failRequestsGreaterThanOne")]
    if not all(isinstance(flag, bool) for flag in flags):
        return None
    shared = replicas > 1
    return Sharing(replicas, renamed=shared and flags[0], at_most_one=shared and flags[1])


def slicing_of(settings: Mapping[str, Any]) -> Sharing:
    """How Bottlerocket's own plugin shares, by the host's settings; what is left out is as its template has it."""
    if settings.get("device-sharing-strategy", "none") != "time-slicing":
        return Sharing()
    slicing = settings.get("time-slicing") or {}
    renamed, one = (bool(slicing.get(key, True)) for key in ("rename-by-default", "fail-requests-greater-than-one"))
    return Sharing(int(slicing.get("replicas", 2)), renamed, one)


def _is_valid(resource: Any) -> bool:
    replicas = resource.get("replicas") if isinstance(resource, dict) else None
    whole = isinstance(replicas, int | float) and not isinstance(replicas, bool) and replicas == int(replicas)
    return whole and bool(resource.get("name")) and int(replicas or 0) >= 2  # noqa: PLR2004 - the parser's own bound


def _runs(pod: Json, image: str) -> bool:
    return any(image in container["image"] for container in pod["spec"]["containers"])
