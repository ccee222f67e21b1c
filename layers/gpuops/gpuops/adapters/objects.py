"""What gpuops installs in a cluster, by server-side apply under one field manager of its own.

| the apiserver's answer | becomes | why |
|---|---|---|
| the object, with all that was sent | applied | |
| the object without some of it, "field not declared" | dropped, with the paths | too old an API, a webhook |
| 409 with other managers' fields | conflict, with manager and field | somebody changed it: their reason comes first |
| 403, 422, 400 | refused, in its words | RBAC, an admission policy, or a manifest that it does not take |
| 404 | refused | no such kind here (the Prometheus operator is not installed), or no such namespace |
| anything else | as `Kube` raises it | |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from gpuops.adapters.kube import Kube
from gpuops.adapters.kube_answers import UNDECLARED
from gpuops.domain.config.drift import differences
from gpuops.domain.config.foreign import DaemonSet, read_daemonset
from gpuops.domain.keys import FIELD_MANAGER

DAEMONSETS = "/apis/apps/v1/daemonsets"
Object = Mapping[str, Any]
PLURALS = {
    "ConfigMap": "configmaps",
    "DaemonSet": "daemonsets",
    "Service": "services",
    "ServiceMonitor": "servicemonitors",
}
CONFLICT = "FieldManagerConflict"


@dataclass(frozen=True)
class Outcome:
    """How an apply ended."""

    what: Literal["applied", "dropped", "conflict", "refused"]
    reason: str = ""
    after: Any = None
    """The object as the apiserver has it, or would have it."""


class Objects:
    """The objects of one cluster. Raises, everywhere: what `Kube` raises."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def daemonsets(self) -> list[DaemonSet]:
        """Return every DaemonSet of the cluster, whoever made it."""
        return [read_daemonset(raw) for raw in self._kube.get_all(DAEMONSETS)]

    def get(self, sent: Object) -> Any:
        """Return the object of this kind and name as it stands, or None where there is none, or no such kind."""
        return self._kube.get(path_of(sent))

    def apply(self, sent: Object, *, force: bool = False, dry_run: bool = False) -> Outcome:
        """Make the object what was sent; `dry_run` asks what would come of it. Idempotent."""
        query = [("fieldManager", FIELD_MANAGER), ("force", str(force).lower()), ("fieldValidation", "Strict")]
        status, answer = self._kube.apply(path_of(sent), sent, [*query, *([("dryRun", "All")] if dry_run else [])])
        if status == HTTPStatus.OK:
            lost = list(differences(sent, answer))
            kept = Outcome("dropped", f"the apiserver did not keep {', '.join(lost)}")
            return kept if lost else Outcome("applied", after=answer)
        causes = [c for c in (answer.get("details") or {}).get("causes") or () if c.get("reason") == CONFLICT]
        if causes:
            return Outcome("conflict", "; ".join(f"{c.get('message')}: {c.get('field')}" for c in causes))
        message = str(answer.get("message") or f"HTTP {status}")
        return Outcome("dropped" if UNDECLARED in message else "refused", _why(sent, status, message))


def path_of(sent: Object) -> str:
    """Where the object lives."""
    version, meta = str(sent["apiVersion"]), sent["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{meta['namespace']}/{PLURALS[sent['kind']]}/{meta['name']}"


def title_of(sent: Object) -> str:
    """How messages name it."""
    return f"{sent['kind']} {sent['metadata']['namespace']}/{sent['metadata']['name']}"


def _why(sent: Object, status: int, message: str) -> str:
    """The apiserver's words, and what mends it where we know."""
    if status == HTTPStatus.NOT_FOUND:
        return f"the cluster knows no {sent['kind']} {sent['apiVersion']}, or no such namespace ({message})"
    if status == HTTPStatus.FORBIDDEN:
        return f"{message} (an administrator applies what `gpuops rbac` prints)"
    return message
