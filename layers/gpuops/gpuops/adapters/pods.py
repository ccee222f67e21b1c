"""Pods of one cluster: who runs where, and how they are made to go. An act repeated does no harm."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from gpuops.adapters.kube import MERGE, Kube, on_node
from gpuops.adapters.kube_answers import OTHER_UID, error_of
from gpuops.domain.errors import Conflict, Invalid
from gpuops.domain.keys import CHECKPOINT, FIELD_MANAGER
from gpuops.domain.pods import Pod, read_pod
from gpuops.domain.rotation.volumes import zones_of

EVICTIONS_AT_ONCE = 8
TOO_MANY = 429
TWO_BUDGETS = "This pod has more than one PodDisruptionBudget"
GONE = "not found"


class Pods:
    """What gpuops does to pods. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube

    def pods_on(self, node: str) -> list[Pod]:
        """Return every pod bound to the node, finished ones included."""
        query = on_node(node)
        return [read_pod(raw) for raw in self.kube.get_all("/api/v1/pods", query)]

    def pods_by_node(self) -> dict[str, list[Pod]]:
        """Return every pod that is bound to a node, by the node's name."""
        found: dict[str, list[Pod]] = defaultdict(list)
        for raw in self.kube.get_all("/api/v1/pods", [("fieldSelector", "spec.nodeName!=")]):
            found[raw["spec"]["nodeName"]].append(read_pod(raw))
        return found

    def zones_of(self, pod: Pod) -> frozenset[str] | None:
        """Return the zones in which all of the pod's volumes can be mounted; None where it may go anywhere.

        A claim without a volume yet binds nothing.
        """
        found: frozenset[str] | None = None
        for name in pod.claims:
            claim = self.kube.get(f"/api/v1/namespaces/{pod.namespace}/persistentvolumeclaims/{name}")
            volume = (claim or {}).get("spec", {}).get("volumeName")
            raw = self.kube.get(f"/api/v1/persistentvolumes/{volume}") if volume else None
            zones = zones_of(raw) if raw else None
            found = zones if found is None else found & zones if zones is not None else found
        return found

    def evict(self, pod: Pod) -> str | None:
        """Ask for an eviction; return None when it is granted, else the disruption budget's words, its name in them.

        A pod already gone, or replaced by one of the same name, counts as evicted. Evicted is not gone: wait for it.
        """
        status, answer = self.kube.status_of(f"{_path(pod)}/eviction", _eviction(pod))
        message = str(answer.get("message", ""))[:200]
        if status in (200, 201, 404, 409):
            return None
        causes = answer.get("details", {}).get("causes") or [{}]
        if status == TOO_MANY or message.startswith(TWO_BUDGETS):
            return str(causes[0].get("message") or message or "not now")[:200]
        if causes[0].get("reason") == "NamespaceTerminating":
            return f"its namespace is being deleted: {message}"
        raise error_of(status)(f"evict {pod.title}: HTTP {status}: {message}")

    def evict_all(self, pods: Iterable[Pod]) -> dict[Pod, str | None]:
        """Evict side by side: one pass over a full node must fit a function's timeout.

        Those that come first and have another priority are through before the next: a budget may not be enough for all.
        """
        answers: dict[Pod, str | None] = {}
        with ThreadPoolExecutor(EVICTIONS_AT_ONCE) as pool:
            for _, peers in groupby(pods, key=attrgetter("priority")):
                equal = tuple(peers)
                answers.update(zip(equal, pool.map(self.evict, equal), strict=True))
        return answers

    def ask_checkpoint(self, pod: Pod, now: datetime) -> None:
        """Write on the pod that it is asked to save its work; one that is gone meanwhile needs no asking.

        The uid keeps the merge from marking a pod of the same name that runs elsewhere.
        """
        body = {"metadata": {"uid": pod.uid, "annotations": {CHECKPOINT: now.isoformat()}}}
        try:
            self.kube.patch(_path(pod), body, content=MERGE, manager=f"{FIELD_MANAGER}-checkpoint")
        except (Conflict, Invalid) as error:
            if not any(words in str(error) for words in (*OTHER_UID, GONE)):
                raise

    def delete_pod(self, pod: Pod) -> None:
        """Delete a pod past its disruption budget; only where the policy says `force`."""
        self.kube.delete(_path(pod), body={"preconditions": {"uid": pod.uid}})


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"


def _eviction(pod: Pod) -> dict[str, Any]:
    """The uid keeps us from evicting a pod of the same name that already runs elsewhere."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
