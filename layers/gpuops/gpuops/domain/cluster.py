"""Nodes as the decisions see them, read from raw JSON; pods stand in `pods`, and are read from here as well.

Our own small values, because the client's typed models take three times as long to import and ten times as long to
parse (5,000 pods: 6.9 s against 0.7 s), and a decision needs a dozen fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpuops.domain.keys import (
    ADMITTED,
    BOOT_BEFORE,
    CORDONED_BY,
    FAULT_RUN,
    GPU_RESOURCE,
    KEPT_FOR,
    MARK_KEYS,
    MARKS,
    MIG_LABELS,
    MIG_PREFIX,
    NVSENTINEL_CORDONED,
    NVSENTINEL_STATE,
    PLUGIN_CONFIG_LABEL,
    QUARANTINED,
    SHARED_GPU_RESOURCE,
    STARTUP_TAINT_KEY,
    ZONE_LABEL,
    Taint,
)
from gpuops.domain.pods import Pod, Raw, read_pod
from gpuops.domain.quantity import whole
from gpuops.domain.workload import kept_by

__all__ = ["Node", "Pod", "Raw", "instance_of", "read_node", "read_pod"]

UNEVEN = -1
"""No number of taints that a plan may ask for: somebody took one off by hand, or changed it, and it is put right."""
NO_MIG = (None, "", "none", "all-disabled")


@dataclass(frozen=True)
class Node:
    """One Node object at one moment."""

    name: str
    uid: str = ""
    instance: str = ""
    """EC2 instance, from the provider id; empty until the cloud controller has set it."""
    ready: bool = True
    readiness: str = ""
    """Why it is not Ready, in kubelet's words."""
    turned: datetime | None = None
    """Since when it is Ready, or is not: a new one is not since it registered."""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    """Allocatable: what the scheduler may give away, replicas counted."""
    shared_gpus: int = 0
    """The same under the name that the device plugin's `renameByDefault` gives it."""
    mig: bool = False
    """Whether its GPUs are cut into MIG instances, which are nobody's to share."""
    boot_id: str = ""
    """Another one after each boot."""
    os_image: str = ""
    """The operating system, as kubelet names it."""

    keep: str = ""
    """The annotation that forbids to disturb it and its pods; empty for none."""

    @property
    def zone(self) -> str:
        """Its availability zone; empty until the cloud controller has set it."""
        return self.labels.get(ZONE_LABEL, "")

    @property
    def config(self) -> str | None:
        """The device plugin's configuration that its label chooses."""
        return self.labels.get(PLUGIN_CONFIG_LABEL)

    @property
    def marks(self) -> int:
        """Taints of ours on it by which pods are packed, or kept away; where one is missing among them, `UNEVEN`."""
        found = {(taint.key, taint.effect) for taint in self.taints if taint.key in MARK_KEYS}
        return len(found) if found == {(taint.key, taint.effect) for taint in MARKS[: len(found)]} else UNEVEN

    def offers(self, resource: str) -> int:
        """How many GPUs it offers under one of the device plugin's two names."""
        return self.shared_gpus if resource == SHARED_GPU_RESOURCE else self.gpus

    @property
    def pending(self) -> bool:
        """Whether the startup taint still keeps workload away."""
        return any(taint.key == STARTUP_TAINT_KEY for taint in self.taints)

    @property
    def admitted(self) -> bool:
        """Whether it passed our admission and may be counted on."""
        return not self.pending and ADMITTED in self.annotations

    @property
    def cordoned_by(self) -> str | None:
        """The run whose cordon stands on it; None where nobody, or somebody else, cordoned it."""
        return self.annotations.get(CORDONED_BY)

    @property
    def quarantined(self) -> str | None:
        """When an execution last kept it closed for its new root volume."""
        return self.annotations.get(QUARANTINED)

    @property
    def silent(self) -> bool:
        """Whether its kubelet has not been heard of for a while, in the words of Kubernetes' node controller."""
        return not self.ready and self.readiness == "NodeStatusUnknown"

    @property
    def isolated_by(self) -> str | None:
        """The run that closed it because of a fault; None for a node in no such quarantine."""
        return self.annotations.get(FAULT_RUN)

    @property
    def held_by(self) -> str:
        """Another tool that has taken it out of service to repair it, and how far that is; empty for none."""
        state = self.labels.get(NVSENTINEL_STATE) or ""
        held = state or self.annotations.get(NVSENTINEL_CORDONED) == "True"
        return f"NVSentinel ({state or 'cordoned'})" if held else ""

    @property
    def restarted(self) -> bool:
        """Whether it came back from the boot before which it was closed; true of a node that never was."""
        return self.annotations.get(BOOT_BEFORE) != self.boot_id or not self.quarantined

    @property
    def kept_for(self) -> str | None:
        """The run for which we keep Cluster Autoscaler from scaling it down."""
        return self.annotations.get(KEPT_FOR)


def read_node(raw: Raw) -> Node:
    """The node of one item of the nodes API."""
    meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    condition: Raw = next((c for c in status.get("conditions", ()) if c.get("type") == "Ready"), {})
    return Node(
        name=meta["name"],
        uid=meta.get("uid", ""),
        instance=instance_of(spec.get("providerID", "")),
        ready=condition.get("status") == "True",
        readiness=str(condition.get("reason") or "no Ready condition yet"),
        turned=_moment(condition.get("lastTransitionTime")),
        unschedulable=bool(spec.get("unschedulable")),
        taints=tuple(Taint.model_validate(taint) for taint in spec.get("taints", ())),
        labels=meta.get("labels", {}),
        annotations=meta.get("annotations", {}),
        boot_id=status.get("nodeInfo", {}).get("bootID", ""),
        os_image=status.get("nodeInfo", {}).get("osImage", ""),
        keep=kept_by(meta),
        **_offered(status.get("allocatable", {}), meta.get("labels", {})),
    )


def _moment(told: str | None) -> datetime | None:
    """A time as the API tells it."""
    return datetime.fromisoformat(told) if told else None


def _offered(allocatable: Raw, labels: Raw) -> dict[str, Any]:
    """What it offers; extended resources are whole numbers (Kubernetes' own rule)."""
    cut = any(whole(count) > 0 for name, count in allocatable.items() if name.startswith(MIG_PREFIX))
    return {
        "gpus": whole(allocatable.get(GPU_RESOURCE, 0)),
        "shared_gpus": whole(allocatable.get(SHARED_GPU_RESOURCE, 0)),
        "mig": cut or any(labels.get(label) not in NO_MIG for label in MIG_LABELS),
    }


def instance_of(provider_id: str) -> str:
    """The instance in `aws:///us-east-1a/i-0abc`; empty for anything else."""
    last = provider_id.rpartition("/")[2]
    return last if provider_id.startswith("aws://") and last.startswith("i-") else ""
