"""What a pod's metadata tells about the work that it is part of: whether it ends by itself, with whom, who forbids it.

Operators of training jobs label their pods instead of owning them directly, and each in its own words, so the words
stand here in one table: an owner's kind, or a label, and what the work is called.
"""

from collections.abc import Mapping
from typing import Any

from gpuops.domain.keys import CLASS, DO_NOT_DISRUPT, SAFE_TO_EVICT, TRAINING

Raw = Mapping[str, Any]

JOB_KINDS = frozenset(
    ("Job", "JobSet", "MPIJob", "PyTorchJob", "TFJob", "XGBoostJob", "JAXJob", "PaddleJob", "RayJob", "TrainJob")
)
"""Owners whose pods end by themselves: batch/v1, JobSet, Kubeflow's training and MPI operators, KubeRay."""
RAY_ORIGIN = ("ray.io/originated-from-crd", "ray.io/originated-from-cr-name")
"""KubeRay writes on each pod of a RayCluster what the cluster was made for: a RayJob ends, a RayService does not."""
LEADER_WORKER = ("leaderworkerset.sh/name", "leaderworkerset.sh/group-index")
"""One group of a LeaderWorkerSet is one copy of a model over several nodes; it serves, so it does not end."""
GANG_LABELS = (
    ("JobSet", "jobset.sigs.k8s.io/jobset-name"),
    ("training job", "training.kubeflow.org/job-name"),
    ("Volcano job", "volcano.sh/job-name"),
    ("pod group", "kueue.x-k8s.io/pod-group-name"),
    ("pod group", "scheduling.x-k8s.io/pod-group"),
    ("Job", "batch.kubernetes.io/job-name"),
)
"""Labels that all pods of one gang share, the widest first: a JobSet's pods also bear the names of its Jobs."""


def is_training(meta: Raw, spec: Raw, owner: str) -> bool:
    """Whether the pod is meant to end by itself, or its user says that it should be treated so."""
    labels: Raw = meta.get("labels") or {}
    told = {labels.get(CLASS), (meta.get("annotations") or {}).get(CLASS)}
    if TRAINING in told or owner in JOB_KINDS or labels.get(RAY_ORIGIN[0]) == "RayJob":
        return True
    return bool(spec.get("restartPolicy", "Always") != "Always")


def gang_of(meta: Raw) -> str:
    """Return the work that stands and falls together with this pod, as messages name it; empty for a pod alone."""
    labels: Raw = meta.get("labels") or {}
    namespace = meta.get("namespace", "")
    if LEADER_WORKER[0] in labels:
        name, index = (labels.get(label, "") for label in LEADER_WORKER)
        return f"LeaderWorkerSet {namespace}/{name} group {index}"
    if labels.get(RAY_ORIGIN[0]) == "RayJob":
        return f"RayJob {namespace}/{labels.get(RAY_ORIGIN[1], '')}"
    return next((f"{kind} {namespace}/{labels[label]}" for kind, label in GANG_LABELS if labels.get(label)), "")


def kept_by(meta: Raw) -> str:
    """Return the annotation that forbids to disturb this pod or node, as `key: value`; empty for none.

    Karpenter's means "never" for `true`, and newer ones may write for how long: whatever is not `false` is heeded.
    """
    annotations: Raw = meta.get("annotations") or {}
    never = annotations.get(DO_NOT_DISRUPT, "false")
    if never != "false":
        return f"{DO_NOT_DISRUPT}: {never}"
    return f"{SAFE_TO_EVICT}: false" if annotations.get(SAFE_TO_EVICT) == "false" else ""
