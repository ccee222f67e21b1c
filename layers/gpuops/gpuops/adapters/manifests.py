"""From the policy to the objects that we apply: plain YAML, its placeholders filled with JSON.

JSON, so that no value can change a manifest's structure; a placeholder that is null leaves its key out, because the
apiserver drops what is Go's zero, and a dropped field is an error.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from gpuops.domain.policy import ClusterPolicy, Image

MANIFESTS = Path(__file__).parent.parent / "manifests"
Object = dict[str, Any]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{0,317}$")]


class Manifest(BaseModel):
    """Everything that one file leaves open; its fields are the file's placeholders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[str, Field(exclude=True)]

    def render(self) -> Iterator[Object]:
        """Yield the file's objects with every placeholder filled."""
        values = {key: json.dumps(value) for key, value in self.model_dump(mode="json").items()}
        text = Template((MANIFESTS / self.file).read_text(encoding="utf-8")).substitute(values)
        for part in yaml.safe_load_all(text):
            yield _without_nulls(part)


class PluginManifest(Manifest):
    """The device plugin."""

    file: str = Field(default="device_plugin.yaml", exclude=True)
    image: Image
    node_selector: dict[Label, Label]
    configurations: dict[str, str]


class ExporterManifest(Manifest):
    """The exporter."""

    file: str = Field(default="dcgm_exporter.yaml", exclude=True)
    image: Image
    node_selector: dict[Label, Label]
    interval_milliseconds: Annotated[str, Field(pattern=r"^\d+$")]
    host_pid: bool | None
    attributes: Annotated[str, Field(pattern="^(true|false)$")]
    security: dict[str, Any]


class MonitorManifest(Manifest):
    """How the Prometheus operator finds the exporter."""

    file: str = Field(default="service_monitor.yaml", exclude=True)
    interval: Annotated[str, Field(pattern=r"^\d+s$")]


def plugin_objects(policy: ClusterPolicy, texts: Mapping[str, str]) -> list[Object]:
    """Return the ConfigMap of the configurations, and the DaemonSet that mounts it."""
    plugin = policy.device_plugin
    manifest = PluginManifest(image=plugin.image, node_selector=policy.node_selector, configurations=dict(texts))
    return list(manifest.render())


def exporter_objects(policy: ClusterPolicy) -> list[Object]:
    """Return the counters, the DaemonSet that reads them, and the ServiceMonitor where the policy wants one.

    Per-pod values need the host's processes and a privileged container; without them SYS_ADMIN is still needed, for
    the profiling counters (dcgm-exporter's chart and its README).
    """
    exporter = policy.dcgm_exporter
    rights = {"privileged": True} if exporter.per_pod else {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}
    manifest = ExporterManifest(
        image=exporter.image,
        node_selector=policy.node_selector,
        interval_milliseconds=str(exporter.interval_seconds * 1000),
        host_pid=exporter.per_pod or None,
        attributes=str(exporter.per_pod).lower(),
        security={"runAsUser": 0, "runAsNonRoot": False, **rights},
    )
    monitor = MonitorManifest(interval=f"{exporter.interval_seconds}s")
    return [*manifest.render(), *(monitor.render() if exporter.service_monitor else ())]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
