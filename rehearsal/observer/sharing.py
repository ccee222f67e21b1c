"""The rules for how GPUs are shared, at every moment, each a pure function over one step of the cluster.

Time-slicing isolates nothing: what changes under a running pod takes from it what it was promised. Who wrote a field
is read from the apiserver's own record of managers; what people do to their cluster is their business.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rehearsal.observer.cluster import Change, Cluster
from rehearsal.observer.model import Expectations
from rehearsal.observer.reading import (
    ENDED,
    GPU,
    SHARED_GPU,
    Json,
    annotations,
    instance_of,
    is_deleting,
    labels,
    name_of,
    owner,
)
from rehearsal.observer.region import Group

CONFIG_LABEL = "nvidia.com/device-plugin.config"
PLUGIN = "k8s-device-plugin"
OURS = "gpuops"
"""How the field managers and namespaces of the product begin."""
TOGETHER = 10
"""No more nodes of a group change together, whatever was proved."""
AUTO_MODE = ("eks.amazonaws.com/compute-type", "auto")


def flips_under_pods(cluster: Cluster, change: Change) -> Iterator[str]:
    """The product moved a node between exclusive and shared GPUs while a pod held one."""
    before, after = change.before, change.after
    if change.kind != "node" or before is None or after is None:
        return
    was, now = labels(before).get(CONFIG_LABEL), labels(after).get(CONFIG_LABEL)
    if is_shared(cluster, was) == is_shared(cluster, now):
        return
    if not by_product(before, after, "metadata", "labels", CONFIG_LABEL):
        return
    for pod in cluster.pods.values():
        if pod["spec"].get("nodeName") == name_of(after) and is_alive(pod) and gpus_of(pod):
            yield f"{name_of(after)} from {was or 'no label'} to {now or 'no label'} under {name_of(pod)}"


def is_shared(cluster: Cluster, key: str | None) -> bool:
    """Whether some ConfigMap's key of this name shares the GPUs; the default of a node without a label does not."""
    data = [found.get("data") or {} for found in cluster.configs.values()]
    return key is not None and any(_shares(texts[key]) for texts in data if key in texts)


def _shares(text: str) -> bool:
    try:
        config: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    sharing = config.get("sharing") if isinstance(config, Mapping) else None
    return isinstance(sharing, Mapping) and bool(sharing.get("timeSlicing") or sharing.get("mps"))


def edits_in_use(cluster: Cluster, change: Change) -> Iterator[str]:
    """The product changed or removed a key of a ConfigMap while a node's label named it."""
    before, after = change.before, change.after
    if change.kind != "config" or before is None or after is None:
        return
    old, new = before.get("data") or {}, after.get("data") or {}
    used = {labels(node).get(CONFIG_LABEL): name_of(node) for node in cluster.nodes.values()}
    for key in sorted(old):
        if key in used and old[key] != new.get(key) and by_product(before, after, "data", key):
            how = "edited" if key in new else "removed"
            yield f"{name_of(after)}: {key} was {how}; {used[key]} is labelled with it"


def several_cordons(cluster: Cluster, groups: Mapping[str, Group], expected: Expectations) -> Iterator[str]:
    """Nodes of a group are cordoned together for a change of sharing that no node of it has proved, or too many are."""
    for name, group in groups.items():
        ids = {instance.instance_id for instance in group.instances}
        nodes = [node for node in cluster.nodes.values() if instance_of(node) in ids]
        closed = [node for node in nodes if node["spec"].get("unschedulable")]
        held = [node for node in closed if expected.sharing_key in annotations(node)]
        proved = {labels(node).get(CONFIG_LABEL) for node in nodes if expected.sharing_key not in annotations(node)}
        unproved = [node for node in held if labels(node).get(CONFIG_LABEL) not in proved]
        if len(held) > TOGETHER or (len(held) > 1 and unproved):
            yield f"{name}: {', '.join(sorted(name_of(node) for node in held))}"


def several_plugins(cluster: Cluster, change: Change) -> Iterator[str]:
    """Two device plugins on one node: kubelet takes whichever registered last."""
    pod = change.after
    if change.kind != "pod" or pod is None or not _is_plugin(pod) or not pod["spec"].get("nodeName"):
        return
    here = [other for other in cluster.pods.values() if other["spec"].get("nodeName") == pod["spec"]["nodeName"]]
    owners = sorted({f"{o['metadata']['namespace']}/{owner(o)}" for o in here if _is_plugin(o) and is_alive(o)})
    node = cluster.nodes.get(pod["spec"]["nodeName"])
    if node is not None and _brings_its_own(node) and pod["metadata"]["namespace"].startswith(OURS):
        owners.append("the host's own")
    if len(owners) > 1:
        yield f"{pod['spec']['nodeName']}: {', '.join(owners)}"


def _is_plugin(pod: Json) -> bool:
    return any(PLUGIN in container["image"] for container in pod["spec"]["containers"])


def _brings_its_own(node: Json) -> bool:
    image = (node.get("status", {}).get("nodeInfo") or {}).get("osImage", "")
    return image.startswith("Bottlerocket") or AUTO_MODE in labels(node).items()


def is_alive(pod: Json) -> bool:
    """Neither ended nor on its way out."""
    return pod.get("status", {}).get("phase") not in ENDED and not is_deleting(pod)


def gpus_of(pod: Json) -> int:
    """GPUs, or shares of them, that a pod asks for."""
    limits = [(c.get("resources") or {}).get("limits") or {} for c in pod["spec"]["containers"]]
    return sum(int(found.get(resource, 0)) for found in limits for resource in (GPU, SHARED_GPU))


def by_product(before: Json, after: Json, *path: str) -> bool:
    """Whether the product wrote this field, or removed it.

    Whoever changes a value owns it from then on. A removed field has no owner: then it was whoever's record bears a
    new time, or, within one second, the owner it had.
    """
    owners = _owners(after, path)
    if not owners:
        was = _times(before)
        owners = {who[0] for who, at in _times(after).items() if was.get(who) != at} or _owners(before, path)
    return any(name.startswith(OURS) for name in owners)


def _owners(item: Json, path: tuple[str, ...]) -> set[str]:
    """The managers of a field, named by the keys that lead to it."""
    return {entry["manager"] for entry in _entries(item) if _has(entry.get("fieldsV1") or {}, path)}


def _has(fields: Any, path: tuple[str, ...]) -> bool:
    return not path or (f"f:{path[0]}" in fields and _has(fields[f"f:{path[0]}"], path[1:]))


def _times(item: Json) -> dict[tuple[str, str], str]:
    return {(entry["manager"], entry["operation"]): entry.get("time", "") for entry in _entries(item)}


def _entries(item: Json) -> list[Json]:
    return item["metadata"].get("managedFields") or []
