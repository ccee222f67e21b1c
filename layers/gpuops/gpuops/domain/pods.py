"""Pods as the decisions see them, read from raw JSON: a dozen fields of each, as `cluster` says why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuops.domain.keys import CHECKPOINT, GPU_RESOURCE, NAMESPACE, SHARED_GPU_RESOURCE, SMOKE_LABEL
from gpuops.domain.quantity import whole
from gpuops.domain.workload import gang_of, is_training, kept_by

Raw = Mapping[str, Any]
FINISHED = ("Succeeded", "Failed")
MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Pod:
    """One pod on a node, with what decides whether and how it may be moved."""

    namespace: str
    name: str
    uid: str = ""
    owner: str = ""
    """Kind of its controller; empty for a bare pod, which nothing brings back."""
    controller: str = ""
    """Name of that controller."""
    phase: str = "Running"
    deleting: bool = False
    mirror: bool = False
    completes: bool = False
    """Training: meant to end by itself, or to be treated so."""
    gang: str = ""
    """The work that stands and falls together with it; empty for a pod alone."""
    keep: str = ""
    """The annotation that forbids to evict it; empty for none."""
    asked: datetime | None = None
    """When we asked it to checkpoint."""
    empty_dir: bool = False
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that it mounts."""
    started: str = ""
    """When kubelet took it up, as the API writes it: compared only with its like, never with `now`."""
    gpus: int = 0
    """GPUs, or shares of GPUs, that it holds, under either name."""
    priority: int = 0
    """Kubernetes' own: who has a higher one goes first where time may not be enough for all."""
    smoke: bool = False
    """One of our own smoke pods."""

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.namespace}/{self.name}"

    @property
    def finished(self) -> bool:
        """Whether it holds the node no longer."""
        return self.phase in FINISHED


def read_pod(raw: Raw) -> Pod:
    """The pod of one item of the pods API."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    owner: Raw = next((o for o in meta.get("ownerReferences", ()) if o.get("controller")), {})
    kind = owner.get("kind", "")
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        owner=kind,
        controller=owner.get("name", ""),
        phase=raw.get("status", {}).get("phase", ""),
        deleting="deletionTimestamp" in meta,
        mirror=MIRROR in meta.get("annotations", {}),
        completes=is_training(meta, spec, kind),
        gang=gang_of(meta),
        keep=kept_by(meta),
        asked=_asked(meta),
        empty_dir=any("emptyDir" in volume for volume in spec.get("volumes", ())),
        claims=_claims(meta, spec),
        started=raw.get("status", {}).get("startTime") or "",
        gpus=_held(spec),
        priority=int(spec.get("priority") or 0),
        smoke=meta["namespace"] == NAMESPACE and SMOKE_LABEL in meta.get("labels", {}),
    )


def _asked(meta: Raw) -> datetime | None:
    """When we asked; whatever else stands there was not written by us, and counts for nothing."""
    try:
        told = datetime.fromisoformat(meta.get("annotations", {}).get(CHECKPOINT, ""))
    except ValueError:
        return None
    return told if told.tzinfo else None


def _claims(meta: Raw, spec: Raw) -> tuple[str, ...]:
    """Those named, and those that Kubernetes makes for generic ephemeral volumes, named after pod and volume."""
    volumes = spec.get("volumes", ())
    named = [v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v]
    return (*named, *(f"{meta['name']}-{v['name']}" for v in volumes if "ephemeral" in v))


def _held(spec: Raw) -> int:
    """Its containers hold theirs together, its init containers one after the other: so the scheduler counts.

    Of an extended resource, request and limit are the same, and a limit alone is enough.
    """
    starting = (_limits(container) for container in spec.get("initContainers") or ())
    return max(sum(map(_limits, spec.get("containers") or ())), *starting, 0)


def _limits(container: Raw) -> int:
    limits: Raw = (container.get("resources") or {}).get("limits") or {}
    return sum(whole(limits.get(name, 0)) for name in (GPU_RESOURCE, SHARED_GPU_RESOURCE))
