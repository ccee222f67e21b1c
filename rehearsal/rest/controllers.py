"""What each controller of kube-controller-manager owes one of its objects, judged from state alone.

Each check returns the debt's name, or None. It demands only what the controller is sure to write by itself, soon,
without another party acting first: a debt that never comes stops the clock until it is overridden.
"""

from collections.abc import Iterable
from typing import Final

from rehearsal.kube import Json
from rehearsal.rest.mirror import Mirror
from rehearsal.rest.placement import may_run
from rehearsal.rest.reading import (
    OUT_OF_SERVICE,
    condition,
    is_active,
    is_deleting,
    is_out_of_service,
    is_ready,
    is_terminal,
    tolerates,
)

NOT_READY: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
JOB_TRACKING: Final = "batch.kubernetes.io/job-tracking"
DAEMON_TOLERATIONS: Final = tuple(
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists"}
    for name in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)


def node_debt(_mirror: Mirror, node: Json) -> str | None:
    """Node lifecycle: taints follow conditions."""
    taints = {taint["key"] for taint in node["spec"].get("taints", ())}
    if is_deleting(node):
        return None
    if is_ready(node) != taints.isdisjoint(NOT_READY):
        return "nodelifecycle: not-ready taint"
    if bool(node["spec"].get("unschedulable")) != (UNSCHEDULABLE in taints):
        return "nodelifecycle: unschedulable taint"
    return None


def pod_debt(mirror: Mirror, pod: Json) -> str | None:
    """Scheduler, Job tracking, garbage collection, and eviction by the taint of a node that is out of service."""
    if is_terminal(pod) and JOB_TRACKING in pod["metadata"].get("finalizers", ()):
        return "job: tracking finalizer"
    if not is_deleting(pod) and _is_orphan(mirror, pod):
        return "garbage collector: pod"
    node = mirror.nodes.get(pod["spec"].get("nodeName", ""))
    if node and is_out_of_service(node) and not (is_deleting(pod) or is_terminal(pod)):
        return None if tolerates(pod["spec"].get("tolerations", ()), OUT_OF_SERVICE) else "taint eviction: pod"
    unplaced = is_active(pod) and not pod["spec"].get("nodeName")
    if unplaced and condition(pod, "PodScheduled") is None:
        return "scheduler: decision"
    return None


def replicaset_debt(mirror: Mirror, replicaset: Json) -> str | None:
    """As many pods as it should have, and a status that counts them."""
    if (stale := _stale(replicaset)) or condition(replicaset, "ReplicaFailure") == "True":
        return stale
    pods = [pod for pod in _owned(mirror, replicaset) if is_active(pod)]
    if len(pods) != replicaset["spec"].get("replicas", 1):
        return "replicaset: pods"
    counted = (_count(replicaset, "replicas"), _count(replicaset, "readyReplicas"))
    return None if counted == (len(pods), _ready(pods)) else "replicaset: status"


def deployment_debt(mirror: Mirror, deployment: Json) -> str | None:
    """A status that adds up its ReplicaSets', and, outside a rollout, their size."""
    if stale := _stale(deployment):
        return stale
    sets = _owned(mirror, deployment)
    for name in ("replicas", "readyReplicas"):
        if _count(deployment, name) != sum(_count(one, name) for one in sets):
            return f"deployment: {name}"
    sizes = [size for one in sets if (size := one["spec"].get("replicas", 1))]
    if len(sizes) == 1 and sizes[0] != deployment["spec"].get("replicas", 1) and not deployment["spec"].get("paused"):
        return "deployment: size"
    return None


def daemonset_debt(mirror: Mirror, daemonset: Json) -> str | None:
    """One pod for each node that its template may run on, and, while all its nodes are there, their readiness.

    The status after a node's deletion is not demanded: the controller may be 15 s late with it.
    """
    if stale := _stale(daemonset):
        return stale
    pods = _owned(mirror, daemonset)
    template, targets = daemonset["spec"]["template"], {target_of(pod) for pod in pods}
    for name, node in mirror.nodes.items():
        if name not in targets and not is_deleting(node) and may_run(template, node, DAEMON_TOLERATIONS):
            return "daemonset: pods"
    if not targets <= set(mirror.nodes) or any(map(is_deleting, pods)):
        return None
    placed = [pod for pod in pods if may_run(template, mirror.nodes[target_of(pod)], DAEMON_TOLERATIONS)]
    return None if _count(daemonset, "numberReady") == _ready(placed) else "daemonset: status"


def job_debt(mirror: Mirror, job: Json) -> str | None:
    """Pods to run, their count, and the end once all have finished.

    How many are ready is not demanded: the controller tells that a second of real time late, and nobody acts on it.
    """
    pods, status = _owned(mirror, job), job.get("status", {})
    if is_deleting(job):
        return None if pods else "garbage collector: job"
    if "managedBy" in job["spec"] or any(condition(job, end) == "True" for end in ("Complete", "Failed")):
        return None
    active = [pod for pod in pods if is_active(pod)]
    if status.get("active", 0) != len(active):
        return "job: status"
    leaving = sum(1 for pod in pods if is_deleting(pod) and not is_terminal(pod))
    if active or leaving:
        return None if _is_ending(job) or len(active) + leaving >= _wanted(job) else "job: pods"
    if _is_ending(job) or not _wanted(job):
        return None if job["spec"].get("suspend") else "job: end"
    return "job: pods"


def target_of(pod: Json) -> str:
    """Name the node that a DaemonSet's pod is on or meant for: its controller pins it by an affinity."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    rules = (
        pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    )
    fields = (f for t in (rules or {}).get("nodeSelectorTerms", ()) for f in t.get("matchFields", ()))
    return str(next((f["values"][0] for f in fields if f["key"] == "metadata.name"), ""))


def _wanted(job: Json) -> int:
    """How many pods the Job should have active now."""
    spec, succeeded = job["spec"], _count(job, "succeeded")
    if spec.get("suspend"):
        return 0
    parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
    if completions is None:
        return 0 if succeeded else int(parallelism)
    return min(int(parallelism), int(completions) - succeeded)


def _is_ending(job: Json) -> bool:
    """Whether the Job makes no more pods: its fate is decided, or its indexes fail on their own account."""
    decided = any(condition(job, fate) == "True" for fate in ("FailureTarget", "SuccessCriteriaMet"))
    return decided or "backoffLimitPerIndex" in job["spec"]


def _is_orphan(mirror: Mirror, pod: Json) -> bool:
    """Whether the pod's controller is gone, or going with its dependents."""
    owners = (o for o in pod["metadata"].get("ownerReferences", ()) if o.get("controller"))
    for owner in owners:
        kind = owner["kind"].lower()
        if kind in mirror.objects and owner["uid"] not in mirror.objects[kind]:
            return True
    return False


def _owned(mirror: Mirror, owner: Json) -> list[Json]:
    return list(mirror.owned.get(owner["metadata"]["uid"], {}).values())


def _stale(item: Json) -> str | None:
    """Name the debt of a controller that has not seen the newest spec; objects on their way out owe nothing."""
    if is_deleting(item):
        return None
    seen = item.get("status", {}).get("observedGeneration")
    return None if seen == item["metadata"]["generation"] else "controller: generation"


def _count(item: Json, name: str) -> int:
    return int(item.get("status", {}).get(name, 0))


def _ready(pods: Iterable[Json]) -> int:
    return sum(1 for pod in pods if is_ready(pod))
