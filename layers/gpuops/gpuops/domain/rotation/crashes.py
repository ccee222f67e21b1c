"""Which pods of a node crash, and whether the node is to blame: what crashes everywhere says nothing of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpuops.domain.keys import NAMESPACE, SMOKE_LABEL

BACK_OFF = "CrashLoopBackOff"
"""Kubelet's reason for a container that it holds back because it crashed again and again."""


@dataclass(frozen=True)
class Crashing:
    """A pod whose containers restarted, or wait because they crashed."""

    title: str
    owner: str
    """Uid of its controller; empty for a bare pod."""
    restarts: int
    """Of the container that restarted most often."""
    backs_off: bool


def read_crashing(pods: Iterable[Mapping[str, Any]]) -> list[Crashing]:
    """Return the pods of these items of the pods API that ever restarted; our own smoke pods are judged elsewhere."""
    return [read for pod in pods if not _is_smoke(pod) and (read := _read(pod)).restarts]


def blamed(seen: Iterable[Crashing], elsewhere: Iterable[Crashing], max_restarts: int) -> list[Crashing]:
    """Return those that restarted too often, and whose sisters on other nodes are not held back for crashing, too.

    `seen` is of a node that is new: a pod stays on its node, so all its restarts fall into the node's own short life.
    """
    excused = {crash.owner for crash in elsewhere if crash.backs_off and crash.owner}
    return [crash for crash in seen if crash.restarts > max_restarts and crash.owner not in excused]


def _read(pod: Mapping[str, Any]) -> Crashing:
    meta, containers = pod["metadata"], pod.get("status", {}).get("containerStatuses", ())
    waits = [container.get("state", {}).get("waiting", {}).get("reason") for container in containers]
    return Crashing(
        title=f"{meta['namespace']}/{meta['name']}",
        owner=next((o["uid"] for o in meta.get("ownerReferences", ()) if o.get("controller")), ""),
        restarts=max((container.get("restartCount", 0) for container in containers), default=0),
        backs_off=BACK_OFF in waits,
    )


def _is_smoke(pod: Mapping[str, Any]) -> bool:
    meta = pod["metadata"]
    return bool(meta["namespace"] == NAMESPACE and SMOKE_LABEL in meta.get("labels", {}))
