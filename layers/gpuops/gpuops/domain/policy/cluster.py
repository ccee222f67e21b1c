"""What fleet.yaml may say about a cluster's GPU configuration: device plugin, exporter, shapes of sharing."""

from typing import Annotated

from pydantic import Field

from gpuops.domain.policy.parts import (
    EXCLUSIVE,
    OUR_CONFIG_MAP,
    RUNGS,
    ConfigKey,
    ConfigMap,
    DeployLabel,
    Image,
    LabelValue,
    Name,
    Namespace,
    Part,
)
from gpuops.domain.policy.prometheus import Prometheus
from gpuops.domain.run import Mode


class Profile(Part):
    """A shape of sharing with a name of its own, for workloads that ask for it by node affinity."""

    replicas: Annotated[int, Field(ge=2, le=48)]
    """Shares of each GPU; 1 is `exclusive`, which needs no profile."""
    rename_by_default: bool | None = None
    """Offer the shares as `nvidia.com/gpu.shared`; not given: as the plugin's own setting says."""
    fail_requests_greater_than_one: bool | None = None
    """Fail a pod that asks for two shares, which is no double share; not given: as the plugin's own setting says."""


class DevicePlugin(Part):
    """NVIDIA's device plugin as a DaemonSet of ours."""

    manage: bool = True
    """Whether gpuops runs it; it never does beside another one (GPU Operator, Bottlerocket, Auto Mode, your own)."""
    image: Image = "nvcr.io/nvidia/k8s-device-plugin:v0.20.0"
    """The plugin's image; the configurations are checked against what v0.20.0 accepts."""
    config_map: ConfigMap | None = None
    """`namespace/name` of the configurations of a plugin that somebody else runs; nodes are labelled with its keys."""
    rename_by_default: bool = False
    """Offer shared GPUs as `nvidia.com/gpu.shared`."""
    fail_requests_greater_than_one: bool = True
    """Fail a pod that asks for two shares of a shared GPU."""
    profiles: dict[ConfigKey, Profile] = Field(default_factory=dict)
    """Further keys beside `exclusive` and the rungs r2, r3, r4, r6, r8."""


class DcgmExporter(Part):
    """NVIDIA's exporter of GPU metrics as a DaemonSet of ours."""

    manage: bool = True
    """Whether gpuops runs it; it never does beside another one, since two break the profiling metrics."""
    image: Image = "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-ubuntu22.04"
    """The exporter's image."""
    interval_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    """How often the counters are read."""
    per_pod: bool = True
    """Attribute shared GPUs to pods: the exporter then runs privileged, in the host's process namespace."""
    service_monitor: bool = False
    """Make a ServiceMonitor for the Prometheus operator."""
    namespaces: Annotated[tuple[Namespace, ...], Field(max_length=10)] = ()
    """Where somebody else's exporter runs; in gpuops-system, kube-system and gpu-operator it is found without.
    `gpuops rbac` lets gpuops ask it there. Exporters in any other namespace are not believed."""


class ClusterPolicy(Part):
    """What the GPU nodes of one cluster need besides their groups' own settings."""

    cluster: Name
    """Name of the EKS cluster."""
    mode: Mode = "observe"
    """`apply` brings the cluster to this; `observe` and `recommend` only report how it differs."""
    device_plugin: DevicePlugin = DevicePlugin()
    """Who offers the GPUs to the scheduler."""
    dcgm_exporter: DcgmExporter = DcgmExporter()
    """Who measures them."""
    prometheus: Prometheus | None = None
    """Where pools are measured and faults are looked for, instead of at the exporters themselves."""
    node_selector: dict[str, str] = Field(default_factory=lambda: {"nvidia.com/gpu": "true"})
    """Labels of the nodes on which both run."""
    reset_labels: dict[DeployLabel, LabelValue] = Field(default_factory=dict)
    """Labels that take GPU Operator's DaemonSets off a node while its GPUs are reset, such as
    `nvidia.com/gpu.deploy.device-plugin: "false"`; what they said before is put back. Our own go by a label of ours."""
    force_conflicts: bool = False
    """Take over fields that another field manager has changed, instead of naming it."""

    @property
    def config_map(self) -> str | None:
        """`namespace/name` of the configurations that node labels choose from; None where labels do nothing."""
        plugin = self.device_plugin
        return OUR_CONFIG_MAP if plugin.manage and self.mode == "apply" else plugin.config_map

    @property
    def config_keys(self) -> frozenset[str]:
        """Every key that a group's `sharing` may name."""
        return frozenset((EXCLUSIVE, *RUNGS, *self.device_plugin.profiles))
