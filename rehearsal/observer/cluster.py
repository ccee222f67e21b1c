"""The observer's own copy of the cluster: six watches, merged in the order in which etcd wrote.

The order matters: a node loses its startup taint and a pod is bound to it within milliseconds, on two watches.
resourceVersions of one apiserver are revisions of one etcd, so they order events of different kinds.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import urllib3

from rehearsal.observer.reading import Json, name_of
from rehearsal.observer.stream import GONE, Expired, events

PATHS = {
    "node": "/api/v1/nodes",
    "pod": "/api/v1/pods",
    "pdb": "/apis/policy/v1/poddisruptionbudgets",
    "job": "/apis/batch/v1/jobs",
    "config": "/api/v1/configmaps",
    "attachment": "/apis/storage.k8s.io/v1/volumeattachments",
}
QUIET_SECONDS = 0.02
BLIND_AFTER_SECONDS = 10.0
OK = 200


@dataclass(frozen=True)
class KubeAccess:
    """How to reach the apiserver as an administrator."""

    server: str
    ca_file: str
    token: str


@dataclass(frozen=True)
class Change:
    """One object's step: what it was, what it is; None before it was there and after it is gone."""

    kind: str
    before: Json | None
    after: Json | None

    @property
    def name(self) -> str:
        """The object's name."""
        return name_of(self.after or self.before or {})


@dataclass
class Cluster:
    """Objects by kind and name, as of one revision."""

    nodes: dict[str, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    pdbs: dict[str, Json] = field(default_factory=dict)
    jobs: dict[str, Json] = field(default_factory=dict)
    configs: dict[str, Json] = field(default_factory=dict)
    """ConfigMaps."""
    attachments: dict[str, Json] = field(default_factory=dict)
    """Of volumes."""

    def of(self, kind: str) -> dict[str, Json]:
        """The objects of one kind."""
        objects: dict[str, Json] = getattr(self, f"{kind}s")
        return objects

    def take(self, kind: str, item: Json, *, gone: bool) -> Iterator[Change]:
        """Apply one event. A name that comes back with another uid is a deletion and a creation."""
        objects, name = self.of(kind), name_of(item)
        before = objects.get(name)
        if before and before["metadata"]["uid"] != item["metadata"]["uid"]:
            del objects[name]
            yield Change(kind, before, None)
            before = None
        if gone:
            objects.pop(name, None)
            yield Change(kind, before or item, None)
        else:
            objects[name] = item
            yield Change(kind, before, item)


@dataclass(order=True)
class _Event:
    revision: int
    kind: str = field(compare=False)
    item: Json = field(compare=False)
    gone: bool = field(compare=False)


class Watches:
    """Reads the watches in threads of its own and hands their events out in etcd's order."""

    def __init__(self, access: KubeAccess) -> None:
        self._access = access
        self._pool = urllib3.PoolManager(ca_certs=access.ca_file, maxsize=8, retries=False)
        self._headers = {"Authorization": f"Bearer {access.token}", "User-Agent": "observer"}
        self._events: list[_Event] = []
        self._lock = threading.Lock()
        self._arrived = monotonic()
        self._closed = threading.Event()
        self._open: set[Any] = set()
        self.blind: str | None = None
        """Why a watch can no longer be read."""

    def start(self) -> None:
        """List every kind once, then follow each in a thread. Raises OSError when the apiserver refuses."""
        for kind in PATHS:
            known: dict[str, Json] = {}
            given = (kind, known, self._list(kind, known))
            threading.Thread(target=self._read, args=given, name=f"observer-{kind}", daemon=True).start()

    def stop(self) -> None:
        """End the watches; again does no harm."""
        if self._closed.is_set():
            return
        self._closed.set()
        for response in list(self._open):
            with suppress(ValueError):  # this one has just ended by itself
                response.shutdown()

    def quiet(self) -> bool:
        """Has nothing arrived for a moment?"""
        return monotonic() - self._arrived >= QUIET_SECONDS

    def drain(self) -> list[_Event]:
        """Everything that arrived since the last time, in etcd's order."""
        with self._lock:
            events, self._events = self._events, []
        return sorted(events)

    def get(self, path: str) -> bytes:
        """Read one path of the apiserver."""
        reply = self._pool.request("GET", self._access.server + path, headers=self._headers)
        if reply.status != OK:
            raise OSError(f"GET {path}: HTTP {reply.status}")
        return reply.data

    def _read(self, kind: str, known: dict[str, Json], revision: str) -> None:
        working = monotonic()
        while not self._closed.is_set():
            try:
                revision = revision or self._list(kind, known)
                for event in self._stream(kind, revision):
                    working, revision = monotonic(), event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._put(kind, event["object"], known, gone=event["type"] == "DELETED")
            except Expired:
                revision = ""
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if self._closed.wait(0.1):
                    return
                if monotonic() - working > BLIND_AFTER_SECONDS:
                    self.blind = f"the observer's watch of {kind}s broke: {error}"
                    return

    def _list(self, kind: str, known: dict[str, Json]) -> str:
        """Take the whole list in; what is no longer in it is gone."""
        listing = json.loads(self.get(PATHS[kind]))
        names = {name_of(i) for i in listing["items"]}
        for name in set(known) - names:
            self._put(kind, known[name], known, gone=True)
        for item in listing["items"]:
            self._put(kind, item, known, gone=False)
        return str(listing["metadata"]["resourceVersion"])

    def _put(self, kind: str, item: Json, known: dict[str, Json], *, gone: bool) -> None:
        known[name_of(item)] = item
        if gone:
            del known[name_of(item)]
        with self._lock:
            self._events.append(_Event(int(item["metadata"]["resourceVersion"]), kind, item, gone))
            self._arrived = monotonic()

    def _stream(self, kind: str, revision: str) -> Iterator[dict[str, Any]]:
        url = f"{self._access.server}{PATHS[kind]}?watch=1&allowWatchBookmarks=true&resourceVersion={revision}"
        reply = self._pool.request("GET", url, headers=self._headers, preload_content=False)
        self._open.add(reply)
        try:
            if reply.status != OK:
                raise Expired if reply.status == GONE else OSError(f"watch of {kind}s: HTTP {reply.status}")
            yield from events(reply)
        finally:
            self._open.discard(reply)
            reply.close()
