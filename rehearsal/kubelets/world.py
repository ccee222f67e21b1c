"""What all parts of the simulated kubelets share: time, the apiserver, the mirror, and the machines.

One lock guards the kubelets' state, since events come in on several threads while timers run on another; it is
never held over a request to the apiserver.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final, Protocol

from rehearsal.kube import Json, KubeApi, KubeError
from rehearsal.kubelets.machine import Machine
from rehearsal.rest import Mirror

_LOG = logging.getLogger(__name__)
BATCH: Final = "kubelets"
GONE: Final = (404, 409)


class Timers(Protocol):
    """The part of the clock that kubelets use."""

    def now(self) -> float:
        """Simulated epoch seconds."""

    def call_later(self, delay: float, key: str, fn: Callable[[], None], *, batch: str | None = None) -> Any:
        """Run `fn` after `delay` simulated seconds."""

    def cancel(self, timer: Any) -> None:
        """Forget a timer; harmless if it has fired."""


@dataclass
class World:
    """The surroundings of every kubelet."""

    clock: Timers
    kube: KubeApi
    mirror: Mirror
    seed: str
    machines: dict[str, Machine] = field(default_factory=dict)
    """By the Node's name."""
    lock: RLock = field(default_factory=RLock)

    def later(self, delay: float, key: str, fn: Callable[[], None]) -> Any:
        """Set a timer. Its key decides the order among those of one instant: no uid, no random name in it."""
        return self.clock.call_later(delay, key, fn, batch=BATCH)

    def pods_on(self, name: str) -> list[Json]:
        """The pods that are bound to a node, as the mirror has them now."""
        with self.mirror.lock:
            return list(self.mirror.pods_on.get(name, {}).values())

    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        """The data of a ConfigMap, if it is there."""
        found = self.kube.find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return None if found is None else dict(found.get("data") or {})

    def node_patch(self, name: str, status: Json) -> None:
        """Write into a Node's status; a Node that is gone takes nothing."""
        with unless_gone(name):
            self.kube.patch(f"/api/v1/nodes/{name}/status", status, "strategic-merge")

    def pod_patch(self, pod: Json, status: Json) -> None:
        """Write into a pod's status, if it is still this pod."""
        with unless_gone(pod["metadata"]["name"]):
            body = {"metadata": {"uid": pod["metadata"]["uid"]}, **status}
            self.kube.patch(path_of(pod) + "/status", body, "strategic-merge")

    def pod_delete(self, pod: Json) -> None:
        """Remove a pod for good."""
        with unless_gone(pod["metadata"]["name"]):
            self.kube.delete(path_of(pod), grace_seconds=0, uid=pod["metadata"]["uid"])


@contextmanager
def unless_gone(what: str) -> Iterator[None]:
    """Let a write miss an object that is gone, or is another one by now: its deletion won the race."""
    try:
        yield
    except KubeError as error:
        if error.status not in GONE:
            raise
        _LOG.debug("%s is gone: %s", what, error)


def path_of(pod: Json) -> str:
    """The pod's path at the apiserver."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
