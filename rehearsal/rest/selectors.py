"""What is owed to objects that choose pods by labels: disruption budgets and the endpoint slices of Services.

Which pods each selects, and which pods are healthy, is kept up to date per event: asking 5,000 pods at every rest
is too slow.
"""

from collections import defaultdict
from typing import Final

from rehearsal.kube import Json
from rehearsal.rest.mirror import Mirror
from rehearsal.rest.reading import condition, is_deleting, is_serving, is_terminal, label_selector_matches

SERVICE_NAME: Final = "kubernetes.io/service-name"
SELECTING: Final = ("pdb", "service")


class Selections:
    """For each budget and Service the pods that it selects."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._in_namespace: defaultdict[str, dict[str, tuple[str, Json]]] = defaultdict(dict)
        self._pods: defaultdict[str, set[str]] = defaultdict(set)
        self._healthy: set[str] = set()
        self._addressed: set[str] = set()

    def selecting(self, kind: str, before: Json | None, after: Json | None) -> None:
        """Take in a budget's or a Service's event."""
        meta = (after or before or {})["metadata"]
        uid, namespace = meta["uid"], meta["namespace"]
        if after is None:
            self._pods.pop(uid, None)
            self._in_namespace[namespace].pop(uid, None)
            return
        self._in_namespace[namespace][uid] = (kind, after)
        if before is not None and before["spec"].get("selector") == after["spec"].get("selector"):
            return
        self._pods[uid].clear()
        for pod in list(self._mirror.objects["pod"].values()):
            if pod["metadata"]["namespace"] == namespace and _selects(kind, after, pod):
                self._pods[uid].add(pod["metadata"]["uid"])

    def pod(self, before: Json | None, after: Json | None) -> list[tuple[str, str]]:
        """Take in a pod's event; returns kind and uid of what selects it, or did."""
        meta = (after or before or {})["metadata"]
        _keep(self._healthy, meta["uid"], there=after is not None and is_serving(after))
        _keep(self._addressed, meta["uid"], there=after is not None and _has_address(after))
        touched = []
        for uid, (kind, item) in self._in_namespace[meta["namespace"]].items():
            was = meta["uid"] in self._pods[uid]
            matches = after is not None and _selects(kind, item, after)
            _keep(self._pods[uid], meta["uid"], there=matches)
            if was or matches:
                touched.append((kind, uid))
        return touched

    def service_of(self, endpoint_slice: Json) -> tuple[str, str] | None:
        """Kind and uid of the Service that a slice belongs to."""
        name = endpoint_slice["metadata"].get("labels", {}).get(SERVICE_NAME)
        here = self._in_namespace[endpoint_slice["metadata"]["namespace"]].items()
        found = (uid for uid, (kind, item) in here if kind == "service" and item["metadata"]["name"] == name)
        return next((("service", uid) for uid in found), None)

    def pdb_debt(self, _mirror: Mirror, pdb: Json) -> str | None:
        """The budget knows its pods, and has forgotten the evictions that are done."""
        if is_deleting(pdb) or _sync_failed(pdb):
            return None
        status = pdb.get("status", {})
        if status.get("observedGeneration") != pdb["metadata"]["generation"]:
            return "pdb: generation"
        if status.get("disruptedPods"):
            return "pdb: disrupted pods"
        healthy = len(self._pods[pdb["metadata"]["uid"]] & self._healthy)
        return None if status.get("currentHealthy") == healthy else "pdb: status"

    def service_debt(self, mirror: Mirror, service: Json) -> str | None:
        """The slices of the Service name exactly the pods that are ready."""
        if is_deleting(service) or not service["spec"].get("selector"):
            return None
        ready = self._pods[service["metadata"]["uid"]] & self._addressed
        if not service["spec"].get("publishNotReadyAddresses"):
            ready &= self._healthy
        named = {
            endpoint.get("targetRef", {}).get("uid")
            for item in mirror.owned.get(service["metadata"]["uid"], {}).values()
            for endpoint in item.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready")
        }
        return None if named == ready else "endpointslice"


def _keep(uids: set[str], uid: str, *, there: bool) -> None:
    """Put a uid in, or take it out."""
    (uids.add if there else uids.discard)(uid)


def _has_address(pod: Json) -> bool:
    return bool(pod["status"].get("podIP")) and not is_terminal(pod)


def _selects(kind: str, item: Json, pod: Json) -> bool:
    labels: dict[str, str] = pod["metadata"].get("labels", {})
    selector = item["spec"].get("selector")
    if kind == "service":
        return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
    return label_selector_matches(selector, labels)


def _sync_failed(pdb: Json) -> bool:
    """Whether the controller cannot count: its own condition then says so."""
    return condition(pdb, "DisruptionAllowed") == "False" and any(
        c.get("reason") == "SyncFailed" for c in pdb["status"]["conditions"]
    )
