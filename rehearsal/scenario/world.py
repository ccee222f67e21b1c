"""The world that a scenario starts from: zones, AMI releases, node groups and what users run on them."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rehearsal.scenario.parts import AlarmName, AmiId, Fault, Name, Part, Seconds, Taint


class Zone(Part):
    """An availability zone; `capacity` counts the instances of each type that EC2 can still give out in it."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
    capacity: dict[str, Annotated[int, Field(ge=0)]] | Literal["unlimited"] = "unlimited"


class Release(Part):
    """An AMI release as the public SSM parameters show it, from `at` on; one without a driver is the CPU variant."""

    release: str
    ami: AmiId
    family: Literal["al2023", "bottlerocket"] = "al2023"
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    driver: str | None = None
    cuda: str | None = None
    at: Seconds = 0
    root_gib: int | None = Field(default=None, ge=1)
    """Size of its root volume, if EC2 is to tell."""
    pipeline: Name | None = None
    """Built by this pipeline of Image Builder instead of published by AWS; `release` is then `1.0.0/1`."""
    faults: tuple[Fault, ...] = ()


class Board(Part):
    """A GPU with a past: the instance of this launch, counted from 1 and with those of the start, has it as GPU 0."""

    launch: int = Field(ge=1)
    uuid: Annotated[str, StringConstraints(pattern=r"^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    faults: tuple[Fault, ...] = ()


STARTUP_TAINT = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops=pending:NoSchedule"
MANAGED_NAME = re.compile(r"eks-(?P<nodegroup>.+)-[0-9a-f]{8,}")
"""EKS names the Auto Scaling group that it makes after its node group, and something unique."""


class Group(Part):
    """An Auto Scaling group whose launch template carries a nodeadm NodeConfig; `regular` ones are never rolled.

    One of kind `managed` was made by EKS for a node group, and is named as EKS names it: eks-<node group>-<hex digits>.
    """

    name: Name
    kind: Literal["self_managed", "managed", "regular"] = "self_managed"
    instance_type: str
    zones: tuple[str, ...] = Field(min_length=1)
    size: int = Field(ge=0)
    min: int = Field(default=0, ge=0)
    max: int = Field(ge=0)
    release: str
    """A release's version or, where several images have the same version, its AMI id."""
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    startup_taint: bool = False
    """True when the operator has already put our startup taint into the NodeConfig."""
    admitted: bool = False
    """Its nodes of the start were admitted before the story, so that taint is no longer on them."""
    hook_heartbeat_seconds: int = Field(default=900, ge=30, le=7200)
    user_data: str | None = None
    """Replaces the NodeConfig made from labels and taints: for groups that are set up wrongly on purpose."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Bottlerocket only: more settings, such as kubelet-device-plugins.nvidia.time-slicing."""
    mig: bool = False
    """The GPUs are partitioned: nodes offer MIG devices and no nvidia.com/gpu."""
    hook: bool = True
    """Self-managed only; False: nothing waits for an admission at launch, as in managed groups."""
    boards: tuple[Board, ...] = ()
    reservation: Annotated[str, StringConstraints(pattern=r"^cr-[0-9a-f]{8,17}$")] | None = None
    """The Capacity Reservation, or Capacity Block, that its instances are launched into."""
    update_config: dict[str, Any] = Field(default_factory=lambda: {"maxUnavailable": 1})
    """Managed only: EKS's own updateConfig."""
    auto_repair: bool = False
    """Managed only: EKS's own node auto-repair is on. It repairs nothing here: a moment plays that it does."""
    custom_ami: bool = False
    """Managed only: the image is that of the user's own launch template."""

    @property
    def nodegroup(self) -> str:
        """EKS's name for the group; empty where EKS does not manage it."""
        named = MANAGED_NAME.fullmatch(self.name) if self.kind == "managed" else None
        return named["nodegroup"] if named else ""

    @property
    def all_taints(self) -> tuple[str, ...]:
        """What its nodes register with."""
        return (*self.taints, *((STARTUP_TAINT,) if self.startup_taint else ()))

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.kind == "managed" and not self.nodegroup:
            raise PydanticCustomError("name", "EKS would name it eks-<node group>-<at least 8 hex digits>")
        return self


class Watched(Part):
    """A metric of one instance of a group, counted from 0 in order of launch."""

    group: Name
    index: int = Field(default=0, ge=0)
    metric: str = "DCGM_FI_DEV_XID_ERRORS"


class Alarm(Part):
    """A CloudWatch alarm of the operator's: quiet from the start, and moved by moments alone."""

    name: AlarmName
    tags: dict[str, str] = Field(default_factory=dict)
    watches: Watched | None = None
    query: str | None = None
    """A query with GROUP BY: an alarm of many series."""
    rule: str | None = None
    """Of a composite alarm, over alarms before it in the list: ALARM("a") OR ALARM("b")."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(given is not None for given in (self.watches, self.query, self.rule)) > 1:
            raise PydanticCustomError("alarm", "an alarm watches a metric, a query or a rule")
        return self


class Toleration(Part):
    """A pod's toleration, with Kubernetes' own keys."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Workload(Part):
    """Something the users of the cluster run; a preset brings its own image, selector and tolerations."""

    kind: Literal["deployment", "job", "daemonset"]
    name: Name
    namespace: Name = "default"
    replicas: int = Field(default=1, ge=0)
    gpus: int = Field(default=0, ge=0)
    run_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long the pods of a Job run before they succeed."""
    min_available: int | None = Field(default=None, ge=0)
    """Puts a PodDisruptionBudget over the pods."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    """Of its pods."""
    preset: Literal["device_plugin", "dcgm_exporter", "gpu_operator"] | None = None
    image: str | None = None
    command: tuple[str, ...] = ()
    """Known programs in it are played into the log; with a `sleep` the pod goes on until it is deleted."""
    env: dict[str, str] = Field(default_factory=dict)
    image_env: dict[str, str] = Field(default_factory=dict)
    """The variables that its image brings."""
    image_unreadable: bool = False
    """Its registry asks for credentials."""
    gpu_resource: Literal["nvidia.com/gpu", "nvidia.com/gpu.shared"] = "nvidia.com/gpu"
    gpu_busy: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of time in which each pod computes."""
    gpu_memory_mib: int | None = Field(default=None, ge=0)
    """What each pod holds of its GPU's memory."""
    priority: int | None = None
    """Of its pods, by a PriorityClass of the workload's name."""
    volume_zone: str | None = None
    """Its pods mount a PersistentVolume that exists in this zone alone."""
    at: Seconds = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.preset and self.kind != "daemonset":
            raise PydanticCustomError("preset", "a preset is a daemonset")
        if self.preset and (self.image or self.command):
            raise PydanticCustomError("preset", "a preset brings its own image and command")
        return self
