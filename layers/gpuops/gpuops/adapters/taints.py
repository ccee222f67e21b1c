"""A node's taints: one atomic list that belongs to everybody, so that changing ours is read, change, write, again."""

from collections.abc import Callable
from typing import Any

from gpuops.adapters.kube import MERGE, Kube
from gpuops.domain.errors import Conflict, Unavailable
from gpuops.domain.keys import FIELD_MANAGER

ATTEMPTS = 5
"""Kubelet writes a node's status every few seconds; a read-modify-write loses now and then."""


def change_taints(kube: Kube, node: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Write what `change` makes of the taints, under their resourceVersion; a node that is gone has none to change.

    Idempotent where `change` is. Raises: Unavailable when somebody else was faster each time, and what `Kube` raises.
    """
    path = f"/api/v1/nodes/{node}"
    for _ in range(ATTEMPTS):
        raw = kube.get(path)
        taints = (raw or {}).get("spec", {}).get("taints", [])
        wanted = change(taints)
        if raw is None or wanted == taints:
            return
        body = {"metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]}, "spec": {"taints": wanted}}
        try:
            kube.patch(path, body, content=MERGE, manager=f"{FIELD_MANAGER}-admission")
        except Conflict:
            continue
        return
    raise Unavailable(f"node {node} changed {ATTEMPTS} times while its taints were changed")
