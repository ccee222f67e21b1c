"""What the workloads on a group's nodes say about CUDA, read from their pods.

A pod's annotation speaks for all of it, then the environment that a container is given; what neither tells, only its
image can. An annotation may name a toolkit (`12.8`), which is judged as NVIDIA promises, or an expression as in
NVIDIA_REQUIRE_CUDA, which is judged as its runtime does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gpuops.domain.drivers.require import DISABLED, PREFIX, required_by
from gpuops.domain.keys import GPU_RESOURCE, NAMESPACE, REQUIRES_CUDA, SHARED_GPU_RESOURCE
from gpuops.domain.quantity import whole

Raw = Mapping[str, Any]
Source = Literal["annotation", "environment", "image"]
KINDS = ("initContainer", "container")
HASH = "pod-template-hash"
DIGEST = "@sha256:"


@dataclass(frozen=True)
class Use:
    """One container that holds GPUs."""

    workload: str
    """Namespace and name of what made its pod."""
    image: str
    digest: str = ""
    """The image that kubelet runs, by digest; empty where it does not tell."""
    told: tuple[str, ...] | None = None
    """What pod and container say themselves: all of it must hold; None where they say nothing."""
    source: Source = "image"

    @property
    def name(self) -> str:
        """By what its image is read: what runs now, where kubelet tells it."""
        return self.digest or self.image


@dataclass(frozen=True)
class Need:
    """What one workload needs, and who says so."""

    workload: str
    image: str
    source: Source
    requires: tuple[str, ...]


@dataclass(frozen=True)
class Unread:
    """A workload that says nothing itself, and whose image could not be read."""

    workload: str
    image: str
    why: str


def uses_of(raw: Raw) -> Iterator[Use]:
    """Yield the containers of a pod that hold GPUs; our own smoke's are none."""
    meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    if meta["namespace"] == NAMESPACE or status.get("phase") in ("Succeeded", "Failed"):
        return
    annotation = (meta.get("annotations") or {}).get(REQUIRES_CUDA)
    running = {c["name"]: str(c.get("imageID", "")) for kind in KINDS for c in status.get(f"{kind}Statuses") or ()}
    for container in (c for kind in KINDS for c in spec.get(f"{kind}s") or () if _holds_gpus(c)):
        told, source = _environment(container.get("env") or ())
        if annotation is not None:
            told, source = (annotation.strip(),), "annotation"
        digest = running.get(container["name"], "")
        yield Use(_workload(meta), container["image"], digest if DIGEST in digest else "", told, source)


def _environment(env: Any) -> tuple[tuple[str, ...] | None, Source]:
    """What the container is given; a value from elsewhere is not read, and says nothing."""
    given = {item["name"]: str(item.get("value") or "") for item in env if "valueFrom" not in item}
    if DISABLED in given or any(name.startswith(PREFIX) for name in given):
        return required_by(given), "environment"
    return None, "image"


def _holds_gpus(container: Raw) -> bool:
    limits: Raw = (container.get("resources") or {}).get("limits") or {}
    return any(whole(limits.get(name, 0)) > 0 for name in (GPU_RESOURCE, SHARED_GPU_RESOURCE))


def _workload(meta: Raw) -> str:
    """A ReplicaSet is named after its Deployment and a hash of the pod's template."""
    owner: Raw = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    name = str(owner.get("name") or meta.get("name", ""))
    return f"{meta['namespace']}/{name.removesuffix('-' + (meta.get('labels') or {}).get(HASH, ' '))}"
