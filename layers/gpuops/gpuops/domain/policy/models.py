"""What fleet.yaml may say, field by field.

A key that is accepted and does nothing would be a promise broken in silence, so the models know only what the
code honours, and everything else is an error.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from gpuops.domain.errors import Invalid
from gpuops.domain.run import Mode

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s/]+$")]
Architecture = Literal["x86_64", "arm64"]


class _Part(BaseModel):
    """A piece of the policy: never changed after parsing, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recommended(_Part):
    """The AMI that AWS recommends for the cluster's Kubernetes version, read from a public SSM parameter."""

    channel: Literal["recommended"] = "recommended"
    family: Literal["al2023"] = "al2023"
    architecture: Architecture = "x86_64"


class Pinned(_Part):
    """One AMI named by the operator; it must exist and be available."""

    channel: Literal["pinned"]
    family: Literal["al2023"] = "al2023"
    architecture: Architecture = "x86_64"
    id: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")]
    release: Annotated[str, Field(min_length=1, max_length=100)]
    """How reports and events name the AMI: an id alone says nothing to a reader."""


def _channel(value: Any) -> Any:
    """Return which kind of AMI is meant; `recommended` needs no saying."""
    return value.get("channel", "recommended") if isinstance(value, dict) else getattr(value, "channel", None)


Ami = Annotated[Annotated[Recommended, Tag("recommended")] | Annotated[Pinned, Tag("pinned")], Discriminator(_channel)]


class Drain(_Part):
    """How a node is emptied."""

    deadline_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    on_deadline: Literal["fail", "wait", "force"] = "fail"
    """`fail` gives the node back; `wait` goes on; `force` deletes what is left, past its disruption budget."""
    bare_pods: Literal["block", "evict"] = "block"
    """A pod without a controller is gone for good once evicted, so by default it blocks."""
    empty_dir: Literal["block", "evict"] = "evict"
    """GPU pods use emptyDir as shared memory (/dev/shm): blocking by default would block nearly every drain."""


class Admission(_Part):
    """How long a new node may take until it carries workload."""

    deadline_minutes: Annotated[int, Field(ge=5, le=720)] = 30


class Smoke(_Part):
    """The proof that GPUs compute, run on each new node before it is admitted."""

    nvidia_smi: Annotated[str, Field(min_length=1, max_length=500)] = "nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04"
    cuda_sample: Annotated[str, Field(min_length=1, max_length=500)] = (
        "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
    )
    timeout_seconds: Annotated[int, Field(ge=30, le=3600)] = 600


class GroupPolicy(_Part):
    """Everything that is decided about one node group."""

    cluster: Name
    group: Name
    """Name of the Auto Scaling group; unique in its account and region, so it is the key of every lock."""
    ami: Ami = Recommended()
    mode: Mode = "observe"
    hold_days: Annotated[int, Field(ge=0, le=365)] = 0
    """How long a release must have been known before the group rolls to it."""
    strategy: Literal["surge"] = "surge"
    surge: Annotated[int, Field(ge=1, le=40)] = 1
    """Extra nodes, and so nodes replaced at a time; an inline Map runs at most 40."""
    drain: Drain = Drain()
    job_grace_hours: Annotated[float, Field(ge=0, le=720)] = 24
    """How long a drain waits for pods of Jobs to finish by themselves, before its deadline begins to count."""
    claim_deadline_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    admission: Admission = Admission()
    smoke: Smoke = Smoke()
    sharing: Literal["exclusive"] = "exclusive"


class Policy(_Part):
    """The whole fleet, at one version of the file."""

    version: str
    groups: tuple[GroupPolicy, ...]

    def group(self, name: str) -> GroupPolicy:
        """Return the group's policy.

        Raises: Invalid when the policy does not name the group; what it does not name is not ours to touch.
        """
        for group in self.groups:
            if group.group == name:
                return group
        known = ", ".join(group.group for group in self.groups)
        raise Invalid(f"group {name!r} is not in the policy (version {self.version}); it names: {known}")
