"""A cluster's raw API as a look at canaries reads it, over the same small world."""

# ruff: noqa: D102 - a fake's methods are described where the adapter stands

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

UP = "2026-11-23T09:00:00Z"


def pod(name: str, on: str, restarts: int = 0, owner: str = "rs-1") -> dict[str, Any]:
    """Return one item of the pods API."""
    meta = {"namespace": "default", "name": name, "ownerReferences": [{"controller": True, "uid": owner}]}
    status = {"containerStatuses": [{"restartCount": restarts, "state": {"running": {}}}]}
    return {"metadata": meta, "spec": {"nodeName": on}, "status": status}


@dataclass
class Kube:
    """Nodes that are Ready since a while, and pods."""

    nodes: dict[str, str]
    """By name, the instance."""
    pods: list[dict[str, Any]] = field(default_factory=list)
    ready_since: str = UP

    def get(self, path: str) -> dict[str, Any] | None:
        name = path.rpartition("/")[2]
        if name not in self.nodes:
            return None
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": self.ready_since}
        spec = {"providerID": f"aws:///us-east-1a/{self.nodes[name]}"}
        return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [ready]}}

    def get_all(self, path: str, query: Any = ()) -> Iterator[dict[str, Any]]:
        on = dict(query).get("fieldSelector", "").removeprefix("spec.nodeName=")
        return (one for one in self.pods if on in {"", one["spec"]["nodeName"]})
