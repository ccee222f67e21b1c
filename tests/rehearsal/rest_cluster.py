"""A mirror that tests feed by hand, with the rest ledger over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rehearsal.kube import Json, KubeApi
from rehearsal.rest import Mirror, Rest

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False"}


class Still:
    """A clock that only counts how often the world moved."""

    def __init__(self) -> None:
        self.moves = 0

    @contextmanager
    def lease(self, holder: str) -> Iterator[None]:
        """Nothing to hold."""
        yield

    def dirty(self) -> None:
        """One more."""
        self.moves += 1


class Cluster:
    """A mirror that is fed by hand, and the ledger over it."""

    def __init__(self) -> None:
        self.clock = Still()
        self.mirror = Mirror(self.clock, KubeApi("https://nowhere", "", ""))
        self.unpaid: set[str] = set()
        self.rest = Rest(
            self.mirror, lambda _mirror, pod: "kubelet" if pod["metadata"]["name"] in self.unpaid else None
        )

    def put(self, kind: str, name: str, *, owner: str | None = None, uid: str = "", **parts: Any) -> None:
        """Add or replace an object; `owner` is kind/name."""
        meta: Json = {"uid": uid or f"{kind}/{name}", "name": name, "namespace": "default", "generation": 1}
        meta |= parts.pop("metadata", {})
        if owner:
            meta["ownerReferences"] = [{"controller": True, "kind": owner.split("/")[0], "name": owner, "uid": owner}]
        item = {"metadata": meta, "spec": {}, "status": {}, **parts}
        self.mirror.take(kind, self.mirror.objects[kind].get(meta["uid"]), item)

    def drop(self, kind: str, name: str) -> None:
        """Remove an object."""
        self.mirror.take(kind, self.mirror.objects[kind][f"{kind}/{name}"], None)

    def node(self, name: str, *, ready: bool = True, gpus: int = 1, **spec: Any) -> None:
        """A node with GPUs and room for three pods."""
        status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
        room = {"nvidia.com/gpu": str(gpus), "cpu": "1", "pods": "3"}
        self.put("node", name, spec=spec, status={**status, "allocatable": room})

    def pod(
        self, name: str, node: str | None = None, *, phase: str = "Running", ready: bool = True, **parts: Any
    ) -> None:
        """A pod, bound if a node is named."""
        conditions = [{"type": "Ready", "status": str(ready)}, *parts.pop("conditions", ())]
        container = {"name": "c", "image": "i", "resources": {"limits": {"nvidia.com/gpu": parts.pop("gpus", "0")}}}
        spec = {"containers": [container], **({"nodeName": node} if node else {}), **parts.pop("spec", {})}
        status = {"phase": phase, "conditions": conditions, "podIP": "10.0.0.9"}
        self.put("pod", name, spec=spec, status=status, **parts)

    def waiting(self, name: str, **parts: Any) -> None:
        """A pod that the scheduler could not place."""
        self.pod(name, phase="Pending", ready=False, conditions=[UNSCHEDULABLE], **parts)

    @property
    def owed(self) -> str | None:
        """The first debt."""
        return self.rest.owed()
