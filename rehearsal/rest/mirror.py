"""The cluster as its watches tell it: one copy, kept by one thread for each kind of object.

Everything in the rehearsal that must know the cluster's state reads this copy: parsing the watch of 5,000 pods
once costs enough. A lease is held while an event is taken in, so that no time passes between the event and the
timers that it starts.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event, RLock, Thread
from typing import Final, Protocol

from rehearsal.kube import Change, Json, KubeApi, KubeError

PATHS: Final[Mapping[str, str]] = {
    "node": "/api/v1/nodes",
    "pod": "/api/v1/pods",
    "service": "/api/v1/services",
    "job": "/apis/batch/v1/jobs",
    "deployment": "/apis/apps/v1/deployments",
    "replicaset": "/apis/apps/v1/replicasets",
    "daemonset": "/apis/apps/v1/daemonsets",
    "pdb": "/apis/policy/v1/poddisruptionbudgets",
    "slice": "/apis/discovery.k8s.io/v1/endpointslices",
    "claim": "/api/v1/persistentvolumeclaims",
    "attachment": "/apis/storage.k8s.io/v1/volumeattachments",
}
SYNC_SECONDS: Final = 60.0


class Time(Protocol):
    """The part of the clock that a watch needs."""

    def lease(self, holder: str) -> AbstractContextManager[None]:
        """Let no time pass meanwhile."""

    def dirty(self) -> None:
        """Say that the world moved."""


@dataclass(frozen=True)
class Seen:
    """One event: what the object was, and what it is; None before it was there and after it is gone."""

    kind: str
    before: Json | None
    after: Json | None

    @property
    def object(self) -> Json:
        """The object as last seen."""
        return self.after or self.before or {}


Subscriber = Callable[[Seen], None]


class Mirror:
    """Objects by kind and uid, with the indexes that the simulated kubelets and the rest check look through."""

    def __init__(self, clock: Time, kube: KubeApi, paths: Mapping[str, str] = PATHS) -> None:
        self.lock = RLock()
        self.objects: dict[str, dict[str, Json]] = {kind: {} for kind in paths}
        self.nodes: dict[str, Json] = {}
        self.pods_on: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self.owned: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        """By the uid of the controlling owner, whatever the kind of the owned."""
        self.broken: str | None = None
        self._clock, self._kube, self._paths = clock, kube, paths
        self._subscribers: list[Subscriber] = []
        self._synced = {kind: Event() for kind in paths}

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have each event told, in the thread of its kind's watch, after the mirror holds it."""
        self._subscribers.append(subscriber)

    def start(self) -> None:
        """Begin to watch, and return once every kind has been listed.

        Raises: KubeError when the apiserver does not answer.
        """
        for kind, path in self._paths.items():
            Thread(target=self._watch, args=(kind, path), name=f"watch-{kind}", daemon=True).start()
        for kind, synced in self._synced.items():
            if not synced.wait(SYNC_SECONDS) or self.broken:
                raise KubeError(0, f"{kind}: {self.broken or 'not listed in time'}")

    def take(self, kind: str, before: Json | None, after: Json | None) -> None:
        """Take one event in: keep the object, tell the subscribers, and start settling anew."""
        with self._clock.lease(f"watch-{kind}"):
            with self.lock:
                if before is not None:
                    self._forget(kind, before)
                if after is not None:
                    self._keep(kind, after)
            seen = Seen(kind, before, after)
            for subscriber in self._subscribers:
                subscriber(seen)
            self._clock.dirty()

    def _watch(self, kind: str, path: str) -> None:
        try:
            for change in self._kube.watch(path):
                self._on(kind, change)
        except KubeError as error:
            self.broken = f"{kind}: {error}"
            self._synced[kind].set()

    def _on(self, kind: str, change: Change) -> None:
        if change.kind == "LISTED":
            self._relist(kind, change.object["items"])
            return
        uid = change.object["metadata"]["uid"]
        before = self.objects[kind].get(uid)
        after = None if change.kind == "DELETED" else _slim(change.object)
        if before is not None or after is not None:
            self.take(kind, before, after)

    def _relist(self, kind: str, items: list[Json]) -> None:
        listed = {item["metadata"]["uid"]: _slim(item) for item in items}
        for uid, before in list(self.objects[kind].items()):
            if uid not in listed:
                self.take(kind, before, None)
        for uid, item in listed.items():
            self.take(kind, self.objects[kind].get(uid), item)
        self._synced[kind].set()

    def _keep(self, kind: str, item: Json) -> None:
        uid = item["metadata"]["uid"]
        self.objects[kind][uid] = item
        if owner := controller_of(item):
            self.owned[owner["uid"]][uid] = item
        if kind == "node":
            self.nodes[item["metadata"]["name"]] = item
        if kind == "pod" and (node := item["spec"].get("nodeName")):
            self.pods_on[node][uid] = item

    def _forget(self, kind: str, item: Json) -> None:
        uid = item["metadata"]["uid"]
        self.objects[kind].pop(uid, None)
        if owner := controller_of(item):
            _discard(self.owned, owner["uid"], uid)
        if kind == "node":
            self.nodes.pop(item["metadata"]["name"], None)
        if kind == "pod" and (node := item["spec"].get("nodeName")):
            _discard(self.pods_on, node, uid)


def controller_of(item: Json) -> Json | None:
    """The owner reference of the controller that made the object."""
    owners: list[Json] = item["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)


def _discard(index: dict[str, dict[str, Json]], key: str, uid: str) -> None:
    index[key].pop(uid, None)
    if not index[key]:
        del index[key]


def _slim(item: Json) -> Json:
    """Without the field managers' records, which are half of an object's size and judge nothing here."""
    item["metadata"].pop("managedFields", None)
    return item
