"""The rules that hold at every moment, each a pure function over one step of the cluster.

Every function answers with what broke its rule, in words; no answer is a good one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.observer.cluster import Change, Cluster
from rehearsal.observer.model import Expectations
from rehearsal.observer.reading import (
    ENDED,
    Json,
    annotations,
    gpus,
    has_condition,
    instance_of,
    is_deleting,
    is_healthy,
    labels,
    name_of,
    owner_kind,
    selects,
    taint_keys,
)
from rehearsal.observer.region import Group

MIRROR = "kubernetes.io/config.mirror"


def lost_by_deletion(change: Change) -> Json | None:
    """The pod as it was, if this step is the one that takes it away; None for any other step."""
    before, after = change.before, change.after
    if change.kind != "pod" or before is None or is_deleting(before):
        return None
    return before if after is None or is_deleting(after) else None


def broken_budgets(cluster: Cluster, change: Change) -> Iterator[str]:
    """A deletion or an eviction left fewer healthy pods than a budget asks for."""
    pod = lost_by_deletion(change)
    if pod is None or not is_healthy(pod):
        return
    for budget in cluster.pdbs.values():
        if budget["metadata"]["namespace"] != pod["metadata"]["namespace"]:
            continue
        selector = budget["spec"].get("selector")
        if selector is None or not selects(selector, labels(pod)):
            continue
        healthy = sum(_counts(other, budget) for other in cluster.pods.values())
        if healthy < (needed := _needed(budget)):
            yield f"{name_of(budget)}: {healthy} healthy pods of {needed} after {name_of(pod)} was taken away"


def _counts(pod: Json, budget: Json) -> bool:
    same = pod["metadata"]["namespace"] == budget["metadata"]["namespace"]
    return same and is_healthy(pod) and selects(budget["spec"]["selector"], labels(pod))


def _needed(budget: Json) -> int:
    """A percentage or maxUnavailable is counted out by the disruption controller, in the budget's status."""
    wanted: Any = budget["spec"].get("minAvailable")
    return wanted if isinstance(wanted, int) else int(budget.get("status", {}).get("desiredHealthy", 0))


def evicted_training(change: Change, expected: Expectations) -> Iterator[str]:
    """A Job's pod was evicted, deleted, or lost with its node before it had finished."""
    if change.kind != "pod" or change.before is None or expected.job_pods_may_be_evicted:
        return
    before, after = change.before, change.after
    if owner_kind(before) != "Job" or expected.smoke_label in labels(before):
        return
    if before.get("status", {}).get("phase") in ENDED:
        return
    disrupted = after is not None and has_condition(after, "DisruptionTarget")
    if lost_by_deletion(change) or (disrupted and not has_condition(before, "DisruptionTarget")):
        yield f"{name_of(before)} on {before['spec'].get('nodeName', 'no node')} before it had finished"


def several_attachments(cluster: Cluster, change: Change) -> Iterator[str]:
    """A volume that only one node may write to is attached to two."""
    attachment = change.after
    if change.kind != "attachment" or attachment is None or not _attached(attachment):
        return
    volume = attachment["spec"]["source"]["persistentVolumeName"]
    these = [one for one in cluster.attachments.values() if one["spec"]["source"]["persistentVolumeName"] == volume]
    nodes = sorted({one["spec"]["nodeName"] for one in these if _attached(one)})
    if len(nodes) > 1:
        yield f"{volume}: {', '.join(nodes)}"


def has_moved(cluster: Cluster, change: Change, homes: dict[str, str]) -> bool:
    """Whether this step attaches a volume to another node while its last one is still there; `homes` is kept up."""
    attachment = change.after
    if change.kind != "attachment" or attachment is None or not _attached(attachment):
        return False
    volume, node = attachment["spec"]["source"]["persistentVolumeName"], attachment["spec"]["nodeName"]
    before, homes[volume] = homes.get(volume, node), node
    return before != node and before in cluster.nodes


def _attached(attachment: Json) -> bool:
    return bool(attachment.get("status", {}).get("attached"))


def is_asked(change: Change, expected: Expectations) -> bool:
    """Whether this step asks a pod that runs to checkpoint."""
    before, after = change.before, change.after
    if change.kind != "pod" or before is None or after is None or is_deleting(after):
        return False
    return expected.checkpoint_key in annotations(after) and expected.checkpoint_key not in annotations(before)


def unadmitted_placements(cluster: Cluster, change: Change, expected: Expectations) -> Iterator[str]:
    """A pod was bound to a node that still had the startup taint."""
    pod = change.after
    if change.kind != "pod" or pod is None or not pod["spec"].get("nodeName"):
        return
    if change.before and change.before["spec"].get("nodeName"):
        return
    exempt = owner_kind(pod) == "DaemonSet" or MIRROR in (pod["metadata"].get("annotations") or {})
    node = cluster.nodes.get(pod["spec"]["nodeName"])
    if node is None or exempt or expected.smoke_label in labels(pod):
        return
    if expected.startup_taint in taint_keys(node):
        yield f"{name_of(pod)} on {name_of(node)}"


def ready_gpus(cluster: Cluster, expected: Expectations) -> int:
    """GPUs of nodes that are Ready and admitted; a cordoned node's still serve what runs on it."""
    admitted = (n for n in cluster.nodes.values() if expected.startup_taint not in taint_keys(n))
    return sum(gpus(n) for n in admitted if has_condition(n, "Ready"))


def closed_nodes(cluster: Cluster, expected: Expectations) -> int:
    """Nodes that the product has closed, those that it emptied among them."""
    keys = {expected.cordon_key, expected.fault_key}
    return sum(not keys.isdisjoint(annotations(node)) for node in cluster.nodes.values())


def unmatched(cluster: Cluster, groups: Mapping[str, Group]) -> Iterator[str]:
    """Instances in service without a Node, and Nodes without an instance: each by itself is only a matter of time."""
    nodes = {instance_of(n): name_of(n) for n in cluster.nodes.values()}
    members = {i.instance_id: i.state for g in groups.values() for i in g.instances}
    for instance, state in members.items():
        if state == "InService" and instance not in nodes:
            yield f"instance {instance} is in service and has no Node"
    for instance, node in nodes.items():
        if instance not in members:
            yield f"Node {node} has no instance {instance} in any group"
