"""Names that gpuops writes on a cluster, in one place, because another tool's name for the same thing is a bug.

The startup taint begins with the prefix that Cluster Autoscaler ignores when it simulates a new node
(its FAQ, "startup taints"): without it, an autoscaler would never scale up for a pod that waits for admission.
"""

import re
from hashlib import sha256
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from gpuops.domain.errors import Invalid

NAMESPACE = "gpuops"
SYSTEM_NAMESPACE = "gpuops-system"
"""DaemonSets need the host, smoke Jobs must not: PodSecurity tells them apart by namespace."""
DEVICE_PLUGIN = "gpuops-device-plugin"
"""Our DaemonSet, and the ConfigMap of its configurations."""
DCGM_EXPORTER = "gpuops-dcgm-exporter"
FIELD_MANAGER = "gpuops"
CORDONED_BY = "gpuops/cordoned-by"
ADMITTED = "gpuops/admitted"
DRIVER, CUDA = "gpuops/driver", "gpuops/cuda"
"""What the smoke of the node's admission saw: its driver, and the newest CUDA that this serves."""
KEPT_FOR = "gpuops/kept-for"
"""The run during which Cluster Autoscaler must not scale the node down."""
QUARANTINED = "gpuops/quarantined"
"""When an execution last kept the node closed for its new root volume."""
BOOT_BEFORE = "gpuops/boot-before"
"""The node's boot before its root volume is replaced: another one means that it was."""
FAULT = "gpuops/fault"
"""Why the node is in quarantine, in words for whoever finds it closed."""
FAULT_RUN = "gpuops/fault-run"
"""Which execution closed it for that."""
FAULT_SETTLED = "gpuops/fault-settled"
"""When that one ended and left it closed on purpose; without it, reconcile looks after the node."""
QUARANTINE_KEY = "gpuops/quarantine"
"""The taint of a node in quarantine; its value names the fault."""
RESET_LABEL = "gpuops/reset"
"""Of a node whose GPUs are being reset: our own DaemonSets keep away from it."""
RESET_BEFORE = "gpuops/reset-before"
"""What the labels said that were changed for that, as JSON; null for one that was not there."""
NVSENTINEL_STATE = "dgxc.nvidia.com/nvsentinel-state"
"""NVSentinel's label of a node that it has cordoned: quarantined, draining, remediating, drain-failed and so on."""
NVSENTINEL_CORDONED = "quarantineHealthEventIsCordoned"
"""NVSentinel's annotation of such a node, `True` until it lifts its cordon (NVIDIA/NVSentinel, its runbooks)."""
REQUIRES_CUDA = "gpuops/requires-cuda"
"""Of a pod: the CUDA toolkit that it needs, or an expression as in NVIDIA_REQUIRE_CUDA."""
MEMORY_MIB = "gpuops/gpu-memory-mib"
"""Of a pod: the most memory of a GPU that it needs, in MiB."""
SCALE_DOWN_DISABLED = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
SMOKE_LABEL = "gpuops/smoke"
GROUP_LABEL = "gpuops/group"
RUN_LABEL = "gpuops/run"
PLUGIN_CONFIG_LABEL = "nvidia.com/device-plugin.config"
CONFIG_BEFORE = "gpuops/config-before"
"""What that label said before the change that is under way; empty for none."""
GPU_RESOURCE = "nvidia.com/gpu"
SHARED_GPU_RESOURCE = "nvidia.com/gpu.shared"
"""What the device plugin's `renameByDefault` offers instead."""
CHECKPOINT = "gpuops/checkpoint-requested"
"""On a training pod: when we asked it to save its work, because it is going to be evicted."""
CLASS, TRAINING = "gpuops/class", "training"
"""A label or annotation by which a user has a pod waited for like a training Job's."""
DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
ZONE_LABEL = "topology.kubernetes.io/zone"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
MIG_PREFIX = "nvidia.com/mig-"
MIG_LABELS = ("nvidia.com/mig.config", "nvidia.com/mig.strategy")

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class Taint(BaseModel):
    """A taint, written as kubelet's flag writes it: `key=value:Effect`."""

    model_config = ConfigDict(frozen=True)

    key: str
    value: str = ""
    effect: Effect

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one item of `--register-with-taints`."""
        name, _, effect = text.strip().rpartition(":")
        key, _, value = name.partition("=")
        if not key or effect not in EFFECTS:
            raise Invalid(f"{text!r} is no taint: expected key=value:Effect with Effect one of {', '.join(EFFECTS)}")
        return cls.model_validate({"key": key, "value": value, "effect": effect})

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


STARTUP_TAINT_KEY = "startup-taint.cluster-autoscaler.kubernetes.io/gpuops"
STARTUP_TAINT = Taint(key=STARTUP_TAINT_KEY, value="pending", effect="NoSchedule")
MARKS = (
    Taint(key="gpuops/rather-not", effect="PreferNoSchedule"),
    Taint(key="gpuops/rather-not-now", effect="PreferNoSchedule"),
    Taint(key="gpuops/rather-not-at-all", effect="PreferNoSchedule"),
    Taint(key="status-taint.cluster-autoscaler.kubernetes.io/gpuops", value="full", effect="NoSchedule"),
)
"""On a node of a pool: some of the first three, by which pods are packed; or all, and then no further pod comes.

Cluster Autoscaler takes a node with such a prefix for ready and full, and a new one of its group for free of the taint
(its FAQ, "status taints", from 1.29 on)."""
MARK_KEYS = frozenset(taint.key for taint in MARKS)
OUT_OF_SERVICE = Taint(key="node.kubernetes.io/out-of-service", value="nodeshutdown", effect="NoExecute")
"""Kubernetes' own word that a node is surely off: it lets go of the node's pods and volumes."""
REBALANCE_ALARM = "gpuops-rebalance-"
"""An alarm whose name begins so, and goes on with a group's name, has the group's pool measured at once."""
HOOK_PREFIX = "gpuops"
"""Only launch hooks of ours are answered: another team's hook waits for another team."""

LABEL_LENGTH = 63


def label_of(text: str) -> str:
    """The text as a label value: unchanged where Kubernetes takes it, else shortened, with a hash to stay unique.

    Executions that EventBridge starts have names of 73 characters; a label value ends at 63.
    """
    if len(text) <= LABEL_LENGTH and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        return text
    kept = re.sub(r"[^A-Za-z0-9.-]", "-", text)[:40].strip("-.")
    return f"{kept or 'x'}-{sha256(text.encode()).hexdigest()[:16]}"
