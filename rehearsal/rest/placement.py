"""Which waiting pods surely fit somewhere, so that the scheduler owes them a node.

The scheduler retries with a backoff on real time: without this check the clock would jump while a pod that fits
is still unplaced. It is conservative: a pod with rules that are not judged here (spreading, pod affinity, claims,
host ports, volumes) is never said to be owed a place. The answer is kept per shape of pod, since a thousand
replicas ask one question.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rehearsal.kube import Json
from rehearsal.rest.mirror import Mirror
from rehearsal.rest.reading import (
    Amounts,
    amounts,
    condition,
    expression_matches,
    is_deleting,
    is_ready,
    is_terminal,
    requests_of,
    tolerates,
)

BLOCKING: Final = ("NoSchedule", "NoExecute")
_SIMPLE_VOLUMES: Final = ("configMap", "secret", "emptyDir", "hostPath", "projected", "downwardAPI")
_UNJUDGED: Final = ("topologySpreadConstraints", "resourceClaims", "schedulingGates")


def is_waiting(pod: Json) -> bool:
    """Whether the pod still waits for a node that the default scheduler would choose."""
    ours = pod["spec"].get("schedulerName", "default-scheduler") == "default-scheduler"
    gated = bool(pod["spec"].get("schedulingGates"))
    return ours and not gated and not pod["spec"].get("nodeName") and not is_terminal(pod) and not is_deleting(pod)


class Placement:
    """The free room on each node, and the shapes of the pods that wait."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._requests: dict[str, Amounts] = {}
        self._free: dict[str, Amounts] = {}
        self._waiting: dict[str, tuple[str, Json]] = {}
        self._repelling: set[str] = set()
        self._fits: dict[str, bool] = {}

    def pod(self, before: Json | None, after: Json | None) -> None:
        """Take a pod's event in."""
        uid = (after or before or {})["metadata"]["uid"]
        for item in filter(None, (before, after)):
            self._free.pop(item["spec"].get("nodeName", ""), None)
            self._free.pop(item["status"].get("nominatedNodeName", ""), None)
        self._fits.clear()
        if after is None:
            self._requests.pop(uid, None)
        elif before is None:
            self._requests[uid] = requests_of(after)
        (self._repelling.add if after and _repels(after) else self._repelling.discard)(uid)
        if after and is_waiting(after) and condition(after, "PodScheduled"):
            self._waiting[uid] = (_shape(after, self._requests[uid]), after)
        else:
            self._waiting.pop(uid, None)

    def node(self, name: str) -> None:
        """Take a node's event in."""
        self._free.pop(name, None)
        self._fits.clear()

    def owed(self) -> str | None:
        """Name a waiting pod that surely fits on a node."""
        if self._repelling:
            return None
        for shape, pod in self._waiting.values():
            if shape not in self._fits:
                self._fits[shape] = _is_judged(pod) and any(self._fits_on(pod, node) for node in self._candidates())
            if self._fits[shape]:
                return f"scheduler: place for {pod['metadata']['namespace']}/{pod['metadata']['name']}"
        return None

    def _candidates(self) -> Iterable[Json]:
        return (n for n in self._mirror.nodes.values() if is_ready(n) and not n["spec"].get("unschedulable"))

    def _fits_on(self, pod: Json, node: Json) -> bool:
        free = self._free_on(node)
        asked = self._requests[pod["metadata"]["uid"]]
        return all(free[name] >= amount for name, amount in asked.items()) and may_run(pod, node)

    def _free_on(self, node: Json) -> Amounts:
        name = node["metadata"]["name"]
        if name not in self._free:
            free = amounts(node["status"].get("allocatable"))
            for uid, pod in self._mirror.pods_on.get(name, {}).items():
                if not is_terminal(pod):
                    free.subtract(self._requests[uid])
            for _, pod in self._waiting.values():
                if pod["status"].get("nominatedNodeName") == name:
                    free.subtract(self._requests[pod["metadata"]["uid"]])
            self._free[name] = free
        return self._free[name]


def may_run(pod: Json, node: Json, extra: Iterable[Json] = ()) -> bool:
    """Whether taints, node selector and node affinity let the pod onto the node; `extra` tolerations count too."""
    tolerations = (*pod["spec"].get("tolerations", ()), *extra)
    taints = (t for t in node["spec"].get("taints", ()) if t["effect"] in BLOCKING)
    return all(tolerates(tolerations, taint) for taint in taints) and is_selected(pod, node)


def is_selected(pod: Json, node: Json) -> bool:
    """Whether the node has what the pod's node selector and required node affinity ask for."""
    labels = node["metadata"].get("labels", {})
    wanted = pod["spec"].get("nodeSelector") or {}
    terms = _required(pod, "nodeAffinity").get("nodeSelectorTerms")
    return all(labels.get(key) == value for key, value in wanted.items()) and (
        terms is None or any(_term_matches(term, node, labels) for term in terms)
    )


def _term_matches(term: Json, node: Json, labels: Mapping[str, str]) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    names = {"metadata.name": node["metadata"]["name"]}
    return bool(expressions or fields) and (
        all(expression_matches(e, labels) for e in expressions) and all(expression_matches(f, names) for f in fields)
    )


def _required(pod: Json, kind: str) -> Any:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}


def _repels(pod: Json) -> bool:
    """Whether the pod may keep others off its node: then no place is sure."""
    return bool(_required(pod, "podAntiAffinity")) and not is_terminal(pod)


def _is_judged(pod: Json) -> bool:
    """Whether all rules of the pod are among those judged here."""
    spec = pod["spec"]
    simple = all(any(kind in volume for kind in _SIMPLE_VOLUMES) for volume in spec.get("volumes", ()))
    ports = any(port.get("hostPort") for c in spec["containers"] for port in c.get("ports", ()))
    return simple and not ports and not _required(pod, "podAffinity") and not any(spec.get(key) for key in _UNJUDGED)


def _shape(pod: Json, requests: Counter[str]) -> str:
    spec = pod["spec"]
    rules = [spec.get(key) for key in ("nodeSelector", "tolerations", "affinity")]
    return json.dumps([sorted(requests.items()), rules, _is_judged(pod)], sort_keys=True)
