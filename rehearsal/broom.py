"""Empties a cluster between two rehearsals: whatever was not there when it came up is deleted.

What its controllers make again by themselves, such as the certificate in each namespace, is the cluster's own.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from rehearsal.kube import Json, KubeApi, KubeError

OWNERS: Final = ("deployments", "daemonsets", "statefulsets", "cronjobs", "jobs", "replicasets")
"""They go first, or their controllers would make anew what goes after them."""
LAST: Final = ("nodes", "namespaces")
GONE: Final = (404, 405, 409)
"""Of a deletion: it is gone already, cannot be deleted one by one, or is going."""
OWN_AFTER: Final = 3
"""Deletions after which something that comes back is the cluster's own."""
SETTLE_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 30.0
Found = Mapping[str, Json]
"""Objects by their path."""


class Broom:
    """Knows one cluster as it was when it came up."""

    def __init__(self, kube: KubeApi) -> None:
        self._kube = kube
        self._kinds: tuple[tuple[str, str], ...] = ()
        self._known = set[str]()
        self._deleted: dict[str, int] = {}

    def remember(self) -> None:
        """What is there now belongs to the cluster; its controllers may still be at it, so wait until they are not.

        Raises: KubeError; TimeoutError when it does not come to rest.
        """
        self._kinds = tuple(sorted(self._resources(), key=_turn))
        deadline = time.monotonic() + PATIENCE_SECONDS
        found = set(self._found())
        while found != self._known:
            if time.monotonic() > deadline:
                raise TimeoutError("the control plane still makes objects of its own")
            self._known = found
            time.sleep(SETTLE_SECONDS)
            found = set(self._found())

    def sweep(self) -> None:
        """Delete what came since.

        Raises: KubeError; TimeoutError with what does not go.
        """
        self._deleted.clear()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := {path: item for path, item in self._found().items() if path not in self._known}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster is not empty: {', '.join(sorted(left)[:5])}")
            for path, item in left.items():
                self._delete(path, item)

    def _delete(self, path: str, item: Json) -> None:
        going = item["metadata"].get("deletionTimestamp")
        if not going:
            self._deleted[path] = self._deleted.get(path, 0) + 1
        if self._deleted.get(path, 0) > OWN_AFTER:
            self._known.add(path)
            return
        try:
            if item["metadata"].get("finalizers"):
                self._kube.patch(path, {"metadata": {"finalizers": None}})
            self._kube.delete(path, grace_seconds=0)
        except KubeError as error:
            if error.status not in GONE:
                raise

    def _found(self) -> Found:
        """Everything in the cluster, in the order in which it is to go."""
        return {path: item for base, kind in self._kinds for path, item in self._listed(base, kind)}

    def _listed(self, base: str, kind: str) -> Iterator[tuple[str, Json]]:
        for item in self._kube.list(f"{base}/{kind}"):
            namespace = item["metadata"].get("namespace")
            place = f"{base}/namespaces/{namespace}" if namespace else base
            yield f"{place}/{kind}/{item['metadata']['name']}", item

    def _resources(self) -> Iterator[tuple[str, str]]:
        """Each kind of object that can be listed and deleted: the path of its group, and its plural."""
        groups = self._kube.get("/apis")["groups"]
        versions = (group["preferredVersion"]["groupVersion"] for group in groups)
        for base in ("/api/v1", *(f"/apis/{version}" for version in versions if "events.k8s.io" not in version)):
            for resource in self._kube.get(base)["resources"]:
                if {"list", "delete"} <= set(resource["verbs"]) and "/" not in resource["name"]:
                    yield base, resource["name"]


def _turn(kind: tuple[str, str]) -> tuple[int, str]:
    """Owners first, what others live in last."""
    name = kind[1]
    return (0 if name in OWNERS else 2 + LAST.index(name) if name in LAST else 1), "/".join(kind)
