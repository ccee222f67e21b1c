"""What pods tell about their work, in the words of each operator that starts them.

Covered: owners, labels and annotations that mean training; gangs by the widest label; annotations that forbid a
disruption, on pods and nodes; when we asked for a checkpoint.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpuops.domain.cluster import read_node, read_pod


def pod(
    owner: str = "", *, restart: str = "Always", labels: Any = None, annotations: Any = None, namespace: str = "ml"
) -> Any:
    """Return a pod as the API has it."""
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    meta = {"namespace": namespace, "name": "p", "ownerReferences": owners}
    return {
        "metadata": {**meta, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"restartPolicy": restart},
    }


@pytest.mark.parametrize(
    ("raw", "training"),
    [
        (pod("Job"), True),
        (pod("PyTorchJob"), True),
        (pod("MPIJob"), True),
        (pod("ReplicaSet"), False),
        (pod("StatefulSet"), False),
        (pod("", restart="Never"), True),
        (pod("RayCluster"), False),
        (pod("RayCluster", labels={"ray.io/originated-from-crd": "RayJob"}), True),
        (pod("RayCluster", labels={"ray.io/originated-from-crd": "RayService"}), False),
        (pod("ReplicaSet", labels={"gpuops/class": "training"}), True),
        (pod("ReplicaSet", annotations={"gpuops/class": "training"}), True),
        (pod("ReplicaSet", labels={"gpuops/class": "serving"}), False),
    ],
)
def test_training_is_what_ends_by_itself_or_is_said_to_be(raw: Any, training: bool) -> None:  # noqa: FBT001
    """Owners, restart policy, or the user's own word."""
    assert read_pod(raw).completes is training


@pytest.mark.parametrize(
    ("labels", "gang"),
    [
        ({}, ""),
        ({"batch.kubernetes.io/job-name": "train"}, "Job ml/train"),
        (
            {"batch.kubernetes.io/job-name": "train-workers-0", "jobset.sigs.k8s.io/jobset-name": "train"},
            "JobSet ml/train",
        ),
        ({"training.kubeflow.org/job-name": "bert"}, "training job ml/bert"),
        (
            {"ray.io/originated-from-crd": "RayJob", "ray.io/originated-from-cr-name": "tune", "ray.io/cluster": "c"},
            "RayJob ml/tune",
        ),
        ({"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "llm"}, ""),
        (
            {
                "leaderworkerset.sh/name": "llm",
                "leaderworkerset.sh/group-index": "1",
                "kueue.x-k8s.io/pod-group-name": "g",
            },
            "LeaderWorkerSet ml/llm group 1",
        ),
        ({"kueue.x-k8s.io/pod-group-name": "g"}, "pod group ml/g"),
        ({"scheduling.x-k8s.io/pod-group": "g"}, "pod group ml/g"),
        ({"volcano.sh/job-name": "v"}, "Volcano job ml/v"),
    ],
)
def test_a_gang_is_named_by_the_widest_label(labels: dict[str, str], gang: str) -> None:
    """All pods of a JobSet are one gang, whichever of its Jobs they are of."""
    assert read_pod(pod(labels=labels)).gang == gang


@pytest.mark.parametrize(
    ("annotations", "keep"),
    [
        ({}, ""),
        ({"karpenter.sh/do-not-disrupt": "true"}, "karpenter.sh/do-not-disrupt: true"),
        ({"karpenter.sh/do-not-disrupt": "2h"}, "karpenter.sh/do-not-disrupt: 2h"),
        ({"karpenter.sh/do-not-disrupt": "false"}, ""),
        (
            {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            "cluster-autoscaler.kubernetes.io/safe-to-evict: false",
        ),
        ({"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}, ""),
    ],
)
def test_annotations_that_forbid_a_disruption_are_read(annotations: dict[str, str], keep: str) -> None:
    """Of pods, and Karpenter's of nodes, too."""
    node = read_node({"metadata": {"name": "n", "annotations": annotations}})

    assert read_pod(pod(annotations=annotations)).keep == keep
    assert node.keep == keep


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("2026-11-23T10:00:00+00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("yes", None),
        ("2026-11-23T10:00:00", None),
    ],
)
def test_only_our_own_words_count_as_a_request(told: str, asked: datetime | None) -> None:
    """Something else under our key is as if nobody had asked."""
    assert read_pod(pod("Job", annotations={"gpuops/checkpoint-requested": told})).asked == asked
