"""Reads single facts off Kubernetes objects as they came: raw JSON, no client's models."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
GPU = "nvidia.com/gpu"
SHARED_GPU = "nvidia.com/gpu.shared"
"""What a device plugin with renameByDefault offers."""
ENDED = {"Succeeded", "Failed"}


def name_of(item: Json) -> str:
    """`namespace/name`, or the name of what has no namespace."""
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def labels(item: Json) -> Mapping[str, str]:
    """Labels, empty when there are none."""
    return item["metadata"].get("labels") or {}


def annotations(item: Json) -> Mapping[str, str]:
    """Annotations, empty when there are none."""
    return item["metadata"].get("annotations") or {}


def has_condition(item: Json, kind: str) -> bool:
    """Does the object say that the condition is True?"""
    conditions = item.get("status", {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def is_deleting(item: Json) -> bool:
    """Has somebody asked for its deletion?"""
    return bool(item["metadata"].get("deletionTimestamp"))


def is_healthy(pod: Json) -> bool:
    """As the disruption controller counts: Ready and not being deleted (disruption.go, countHealthyPods)."""
    return has_condition(pod, "Ready") and not is_deleting(pod)


def owner_kind(pod: Json) -> str:
    """Kind of the controlling owner, empty for a bare pod."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(o["kind"]) for o in owners if o.get("controller")), "")


def owner(pod: Json) -> str:
    """Name of the controlling owner, empty for a bare pod."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(o["name"]) for o in owners if o.get("controller")), "")


def taint_keys(node: Json) -> list[str]:
    """Keys of a node's taints."""
    return [t["key"] for t in node["spec"].get("taints") or []]


def allocatable(node: Json, resource: str) -> int:
    """How much of a resource a node offers to pods."""
    return int((node.get("status", {}).get("allocatable") or {}).get(resource, 0))


def gpus(node: Json) -> int:
    """GPUs, or shares of them, that a node offers to pods."""
    return allocatable(node, GPU) + allocatable(node, SHARED_GPU)


def instance_of(node: Json) -> str:
    """Instance id out of `aws:///zone/i-…`."""
    return str(node["spec"].get("providerID", "")).rpartition("/")[2]


def selects(selector: Json, item_labels: Mapping[str, str]) -> bool:
    """A label selector; an empty one matches everything (policy/v1)."""
    if not (selector.get("matchLabels") or {}).items() <= item_labels.items():
        return False
    return all(_expression(e, item_labels) for e in selector.get("matchExpressions") or [])


def _expression(expression: Json, item_labels: Mapping[str, str]) -> bool:
    value, values = item_labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case operator:
            return operator == "DoesNotExist" and value is None
