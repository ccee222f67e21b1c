"""Smoke Jobs in the namespace gpuops: start, look, read, remove; named after smoke, node and stage, so never twice."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from gpuops.adapters.kube import Kube
from gpuops.adapters.smoke_manifest import SmokeJob, render
from gpuops.domain.errors import Conflict, Unavailable
from gpuops.domain.keys import GROUP_LABEL, NAMESPACE, RUN_LABEL, SMOKE_LABEL, label_of
from gpuops.domain.smoke.stages import MAX_LOG, JobState, PodState, clean

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
BACKGROUND = [("propagationPolicy", "Background")]
OVER = ("Complete", "Failed")
ENDED = ("Succeeded", "Failed")
LOGS_AT_ONCE = 8
MAX_REASON = 300
"""The scheduler names every reason of every node, and the one that counts may come last."""


class Jobs:
    """What gpuops does with Jobs. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def start(self, job: SmokeJob) -> None:
        """Create the Job; one of its name is this one, already started.

        Raises: Conflict when another run's smoke was on the node first: two of them would take each other's shares;
        Unavailable while one that this run began before, in an execution that died, is not over.
        """
        self._yield_to_others(job)
        try:
            self._kube.post(JOBS, render(job))
        except Conflict as error:
            if "already exists" not in str(error):
                raise
        self._yield_to_others(job)

    def state(self, name: str) -> JobState | None:
        """Return how far the Job is, or None when there is none."""
        raw = self._kube.get(f"{JOBS}/{name}")
        return None if raw is None else job_state(raw)

    def pods(self, name: str) -> list[PodState]:
        """Return the Job's pods as they are at one moment, their logs unread."""
        found = self._kube.get_all(PODS, [("labelSelector", f"batch.kubernetes.io/job-name={name}")])
        return [_pod(raw) for raw in found if "deletionTimestamp" not in raw["metadata"]]

    def read(self, pods: Iterable[PodState]) -> list[PodState]:
        """Return the pods with the log of each container that started, cut; side by side, for there may be many."""
        with ThreadPoolExecutor(LOGS_AT_ONCE) as pool:
            return list(pool.map(self._read, pods))

    def delete(self, name: str) -> None:
        """Remove the Job and, in the background, its pods."""
        self._kube.delete(f"{JOBS}/{name}", BACKGROUND)

    def clear(self, node: str, run: str) -> None:
        """Remove the run's Jobs on the node.

        Raises: Unavailable while a pod of theirs, or of anybody's smoke, is still there and holds GPUs.
        """
        for raw in self._of_node(node):
            if raw["metadata"]["labels"].get(RUN_LABEL) == label_of(run):
                self.delete(raw["metadata"]["name"])
        pods = self._kube.get_all(PODS, [("labelSelector", f"{SMOKE_LABEL}={label_of(node)}")])
        left = [pod["metadata"]["name"] for pod in pods if _holds(pod)]
        if left:
            raise Unavailable(f"{node}: {left[0]} of a smoke still holds GPUs")

    def of_group(self, group: str) -> dict[str, str]:
        """Return the name of each smoke Job of a group, with its node's name as a label value."""
        found = self._kube.get_all(JOBS, [("labelSelector", f"{GROUP_LABEL}={label_of(group)}")])
        return {str(raw["metadata"]["name"]): str(raw["metadata"]["labels"].get(SMOKE_LABEL)) for raw in found}

    def forgotten(self, name: str, node: str) -> list[str]:
        """Return the node's smoke Jobs that were over before this one began: their runs died, and will judge none.

        A living run had all the time that this one's Job took to judge and remove its own.
        """
        found = list(self._of_node(node))
        began = next(
            (str(raw["metadata"]["creationTimestamp"]) for raw in found if raw["metadata"]["name"] == name), ""
        )
        return [str(raw["metadata"]["name"]) for raw in found if "" < _over_since(raw) <= began]

    def _of_node(self, node: str) -> Iterator[dict[str, Any]]:
        return self._kube.get_all(JOBS, [("labelSelector", f"{SMOKE_LABEL}={label_of(node)}")])

    def _yield_to_others(self, job: SmokeJob) -> None:
        """Asked before and after the Job is made: of two that begin at once, the later one sees the other."""
        found = list(self._of_node(job.node))
        ours = next((_age(raw) for raw in found if raw["metadata"]["name"] == job.name), None)
        for raw in found:
            run = raw["metadata"]["labels"].get(RUN_LABEL)
            alive = job_state(raw).status == "running" and "deletionTimestamp" not in raw["metadata"]
            first = raw["metadata"]["name"] != job.name and (ours is None or _age(raw) < ours)
            if alive and first:
                fault = Conflict if run != label_of(job.run) else Unavailable
                raise fault(f"{job.node}: the smoke of run {run} is not over yet")

    def _read(self, pod: PodState) -> PodState:
        path = f"{PODS}/{pod.name}/log"
        query = [("limitBytes", str(MAX_LOG))]
        return replace(pod, logs={name: self._kube.get_text(path, [("container", name), *query]) for name in pod.logs})


def _age(raw: Mapping[str, Any]) -> tuple[str, str]:
    """The apiserver's own times, compared with each other only; the name where they are the same second."""
    return str(raw["metadata"]["creationTimestamp"]), str(raw["metadata"]["name"])


def _holds(pod: Mapping[str, Any]) -> bool:
    """Whether it has GPUs: one that waits for a place has none."""
    return bool(pod["spec"].get("nodeName")) and pod.get("status", {}).get("phase") not in ENDED


def _over_since(raw: Mapping[str, Any]) -> str:
    """The apiserver's time of its end; nothing of a Job that still runs, or is going already."""
    if "deletionTimestamp" in raw["metadata"]:
        return ""
    return max((str(condition.get("lastTransitionTime", "")) for condition in _ends(raw)), default="")


def _ends(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The conditions that say that it is over."""
    conditions = raw.get("status", {}).get("conditions", ())
    return (each for each in conditions if each["status"] == "True" and each["type"] in OVER)


def job_state(raw: Mapping[str, Any]) -> JobState:
    """Return how far the Job of one item of the API is."""
    for condition in _ends(raw):
        reason = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
        return JobState("complete" if condition["type"] == "Complete" else "failed", clean(reason))
    return JobState("running")


def _pod(raw: Mapping[str, Any]) -> PodState:
    """The pod with the containers that have a log, which is not read yet."""
    status = raw.get("status", {})
    started = (c["name"] for c in _containers(status) if c.get("state", {}).keys() & {"running", "terminated"})
    return PodState(raw["metadata"]["name"], status.get("phase", ""), _why(status), dict.fromkeys(started, ""))


def _containers(status: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def _why(status: Mapping[str, Any]) -> str:
    """The pod's own words: not scheduled, image not pulled, evicted."""
    if status.get("reason") or status.get("message"):
        return clean(f"{status.get('reason', '')} {status.get('message', '')}", MAX_REASON)
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return clean(f"{container['name']}: {waiting['reason']} {waiting.get('message', '')}", MAX_REASON)
    unscheduled = (c for c in status.get("conditions", ()) if c["type"] == "PodScheduled" and c["status"] == "False")
    return clean(next((c.get("message", "") for c in unscheduled), ""), MAX_REASON)
