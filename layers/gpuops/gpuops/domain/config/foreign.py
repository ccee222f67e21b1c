"""Who else offers or measures the cluster's GPUs: two device plugins fight, two exporters break each other's profiling.

Recognised by image, because everybody names a DaemonSet as they please; our own by its name, because an operator may
mirror its image under any other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpuops.domain.cluster import Node
from gpuops.domain.config.finding import Finding
from gpuops.domain.keys import DCGM_EXPORTER, DEVICE_PLUGIN, SYSTEM_NAMESPACE

PLUGIN_IMAGES = ("k8s-device-plugin", "nvidia-device-plugin", "nvidia-gpu-device-plugin")
OTHER_VENDORS = ("rocm", "amd", "intel")
OTHER_PROGRAMS = ("gpu-feature-discovery", "mps-control-daemon", "config-manager")
"""What NVIDIA ships in the plugin's image beside the plugin."""
EXPORTER_IMAGE = "dcgm-exporter"
OPERATOR_LABELS = (
    ("app.kubernetes.io/managed-by", "gpu-operator"),
    ("app.kubernetes.io/part-of", "nvidia-gpu"),
    ("app.kubernetes.io/part-of", "gpu-operator"),
    ("app", "nvidia-device-plugin-daemonset"),
)
OPERATOR_NODE_LABEL = "nvidia.com/gpu.deploy.device-plugin"
"""The operator's own mark of the nodes on which it runs, or is about to run, the plugin."""
CLOUDWATCH = "amazon-cloudwatch"
COMPUTE_TYPE = "eks.amazonaws.com/compute-type"


@dataclass(frozen=True)
class Container:
    """What tells what a container runs."""

    image: str
    command: str = ""


@dataclass(frozen=True)
class DaemonSet:
    """One DaemonSet, as far as it tells whose it is and what it runs."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: Sequence[Container] = ()
    owner: str = ""

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.namespace}/{self.name}"

    @property
    def runs_plugin(self) -> bool:
        """Whether it offers NVIDIA GPUs."""
        return any(_is_plugin(container) for container in self.containers)

    @property
    def runs_exporter(self) -> bool:
        """Whether it exports DCGM's metrics."""
        return any(_repository(c.image).endswith(EXPORTER_IMAGE) for c in self.containers)

    @property
    def by_operator(self) -> bool:
        """Whether the GPU Operator made it."""
        return self.owner == "ClusterPolicy" or any(self.labels.get(k) == v for k, v in OPERATOR_LABELS)


def read_daemonset(raw: Mapping[str, Any]) -> DaemonSet:
    """The DaemonSet of one item of its API."""
    meta = raw["metadata"]
    owner: Mapping[str, Any] = next((o for o in meta.get("ownerReferences", ()) if o.get("controller")), {})
    containers = raw["spec"]["template"]["spec"].get("containers", ())
    return DaemonSet(
        namespace=meta["namespace"],
        name=meta["name"],
        labels=meta.get("labels", {}),
        containers=tuple(Container(c.get("image", ""), next(iter(c.get("command", ())), "")) for c in containers),
        owner=owner.get("kind", ""),
    )


def other_plugins(daemonsets: Iterable[DaemonSet], nodes: Iterable[Node]) -> list[Finding]:
    """Whoever else runs the plugin; theirs is not ours to change."""
    found = [_plugin(d) for d in daemonsets if d.runs_plugin and d.title != f"{SYSTEM_NAMESPACE}/{DEVICE_PLUGIN}"]
    marked = [node.name for node in nodes if node.labels.get(OPERATOR_NODE_LABEL) == "true"]
    if marked and not found:
        reason = f"the GPU Operator is about to run its device plugin on {', '.join(marked[:5])}; ours is not installed"
        return [Finding(what="foreign", about="GPU Operator", reason=f"{reason}. {_ADVICE}")]
    return found


def other_exporters(daemonsets: Iterable[DaemonSet]) -> list[Finding]:
    """Whoever else runs an exporter: it is read instead of ours."""
    ours = f"{SYSTEM_NAMESPACE}/{DCGM_EXPORTER}"
    return [_exporter(d) for d in daemonsets if d.runs_exporter and d.title != ours]


def refusing_nodes(nodes: Iterable[Node], selector: Mapping[str, str]) -> list[Finding]:
    """Nodes that the selector takes in and that run a device plugin of their own, in the host."""
    findings = []
    for node in nodes:
        why = host_plugin(node) if selector.items() <= node.labels.items() else None
        if why:
            reason = f"{why}; take it out of `node_selector` ({_written(selector)}): no second one is installed"
            findings.append(Finding(what="refused", about=f"Node {node.name}", reason=reason, left=True))
    return findings


def host_plugin(node: Node) -> str | None:
    """Who runs the device plugin in the node's host, or None."""
    if "bottlerocket" in node.os_image.lower():
        return "Bottlerocket runs its own device plugin, which follows its settings and no label"
    if node.labels.get(COMPUTE_TYPE) == "auto":
        return "EKS Auto Mode runs its own device plugin"
    return None


_ADVICE = (
    "Recommended: keep it, set `device_plugin.manage: false`, and name the ConfigMap of its configurations in "
    "`device_plugin.config_map`, so that nodes are labelled with its keys"
)


def _plugin(daemonset: DaemonSet) -> Finding:
    who = "the GPU Operator's" if daemonset.by_operator else "another"
    reason = f"{who} device plugin runs already; ours is not installed. {_ADVICE}"
    return Finding(what="foreign", about=f"DaemonSet {daemonset.title}", reason=reason)


def _exporter(daemonset: DaemonSet) -> Finding:
    reason = "runs already and is reused; ours is not installed, since two break the profiling metrics"
    if daemonset.namespace == CLOUDWATCH:
        reason += "; CloudWatch's counters have no Xid, no violations and no GR_ENGINE_ACTIVE, and share no GPU by pod"
    return Finding(what="foreign", about=f"DaemonSet {daemonset.title}", reason=reason)


def _is_plugin(container: Container) -> bool:
    parts = _repository(container.image).split("/")
    program = container.command.rpartition("/")[2]
    ours = parts[-1] in PLUGIN_IMAGES and not set(parts[:-1]) & set(OTHER_VENDORS)
    return ours and program not in OTHER_PROGRAMS


def _repository(image: str) -> str:
    """The image without digest and tag; a registry's port is no tag."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _written(selector: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in selector.items())
