"""What a kubelet writes into the status of a pod.

The times are simulated ones, but the Job controller compares a failed pod's end with its own real clock: let a
scenario that retries failed pods start in the real past, else the retry waits in real time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.node import timestamp

WAITING: Final = {"waiting": {"reason": "PodInitializing"}}


@dataclass(frozen=True)
class Place:
    """Where and since when a pod runs."""

    pod_ip: str
    host_ip: str
    started: float


def running(pod: Json, place: Place, *, ready: bool) -> Json:
    """All containers run."""
    state = {"running": {"startedAt": timestamp(place.started)}}
    return _status(pod, place, "Running", state, ready=ready, now=place.started)


def crashing(pod: Json, place: Place) -> Json:
    """The containers end as soon as they start, and the kubelet waits longer and longer before the next try."""
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    body = _status(pod, place, "Running", state, ready=False, now=place.started, restarts=5)
    for container in body["status"]["containerStatuses"]:
        container["lastState"] = _terminated(1, place.started, place.started)
    return body


def ended(pod: Json, place: Place, exit_codes: Mapping[str, int], now: float) -> Json:
    """All containers have ended, each with its own exit code; after a failed init container the rest never began."""
    failed = any(exit_codes.values())
    body = _status(pod, place, "Failed" if failed else "Succeeded", {}, ready=False, now=now)
    unbegun = False
    for container in (*body["status"]["initContainerStatuses"], *body["status"]["containerStatuses"]):
        container["ready"] = False
        code = exit_codes[container["name"]]
        container["state"] = WAITING if unbegun else _terminated(code, place.started, now)
        unbegun = unbegun or (code != 0 and container in body["status"]["initContainerStatuses"])
    return body


def rejected(why: str, now: float) -> Json:
    """The node cannot give the pod its devices, whatever the scheduler believed."""
    return {
        "status": {
            "phase": "Failed",
            "reason": "UnexpectedAdmissionError",
            "message": f"Pod was rejected: Allocate failed due to {why}, which is unexpected",
            "startTime": timestamp(now),
        }
    }


def not_ready(now: float) -> Json:
    """What the node lifecycle controller writes into the pods of a node that it no longer hears."""
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": timestamp(now)}
    return {"status": {"conditions": [condition]}}


def collected(now: float) -> Json:
    """What the pod garbage collector writes before it deletes a pod of a node that is gone."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
        "lastTransitionTime": timestamp(now),
    }
    return {"status": {"phase": "Failed", "conditions": [condition]}}


def _status(pod: Json, place: Place, phase: str, state: Json, *, ready: bool, now: float, restarts: int = 0) -> Json:
    spec = pod["spec"]
    inits = [_container(c, place, _init_state(c, place), ready=True) for c in spec.get("initContainers", ())]
    containers = [_container(c, place, state, ready=ready) | {"restartCount": restarts} for c in spec["containers"]]
    return {
        "status": {
            "phase": phase,
            "startTime": timestamp(place.started),
            "hostIP": place.host_ip,
            "hostIPs": [{"ip": place.host_ip}],
            "podIP": place.pod_ip,
            "podIPs": [{"ip": place.pod_ip}],
            "initContainerStatuses": inits,
            "containerStatuses": containers,
            "conditions": _conditions(ready=ready, now=now, done=phase == "Succeeded"),
        }
    }


def _terminated(exit_code: int, started: float, now: float) -> Json:
    reason = "Error" if exit_code else "Completed"
    times = {"startedAt": timestamp(started), "finishedAt": timestamp(now)}
    return {"terminated": {"exitCode": exit_code, "reason": reason, **times}}


def _init_state(container: Json, place: Place) -> Json:
    if container.get("restartPolicy") == "Always":
        return {"running": {"startedAt": timestamp(place.started)}}
    return _terminated(0, place.started, place.started)


def _container(container: Json, place: Place, state: Json, *, ready: bool) -> Json:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "containerID": f"containerd://{place.pod_ip}/{container['name']}",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }


def _conditions(*, ready: bool, now: float, done: bool) -> list[Json]:
    status, time = "True" if ready else "False", timestamp(now)
    reason = {"reason": "PodCompleted"} if done else {}
    return [
        {"type": "Initialized", "status": "True", "lastTransitionTime": time},
        {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": time},
        *(
            {"type": kind, "status": status, "lastTransitionTime": time, **reason}
            for kind in ("ContainersReady", "Ready")
        ),
    ]
