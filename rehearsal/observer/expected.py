"""What one scenario expects of its end: nodes, pods, logs, series and objects, read through the apiserver.

Each function answers with what it missed, in words. Expectations are plain mappings, as the scenario wrote them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rehearsal.observer.cluster import Cluster
from rehearsal.observer.model import Wanted
from rehearsal.observer.reading import (
    ENDED,
    GPU,
    SHARED_GPU,
    Json,
    allocatable,
    instance_of,
    is_deleting,
    labels,
    name_of,
    owner,
)
from rehearsal.observer.region import Group

Want = Mapping[str, Any]
Read = Callable[[str], bytes]
"""GET of a path of the apiserver; raises OSError for any answer but 200."""
EXPORTER, EXPORTER_PORT = "dcgm-exporter", 9400


def unmet_nodes(cluster: Cluster, groups: Mapping[str, Group], wanted: Iterable[Want]) -> Iterator[str]:
    """As many nodes of a group as expected have these labels and offer these GPUs."""
    group_of = {i.instance_id: group.name for group in groups.values() for i in group.instances}
    for want in wanted:
        theirs = [n for n in cluster.nodes.values() if want.get("group") in {None, group_of.get(instance_of(n))}]
        fitting = sum(_fits(node, want) for node in theirs)
        if fitting != want["count"]:
            told = "; ".join(map(_told, theirs)) or "none"
            yield f"nodes: {want['count']} with {_wish(want)}; {fitting} are, of: {told}"


def _fits(node: Json, want: Want) -> bool:
    for key, resource in (("allocatable", GPU), ("shared", SHARED_GPU)):
        if want.get(key) not in {None, allocatable(node, resource)}:
            return False
    if want.get("schedulable") not in {None, not node["spec"].get("unschedulable", False)}:
        return False
    return bool((want.get("labels") or {}).items() <= labels(node).items())


def _told(node: Json) -> str:
    offers = f"{allocatable(node, GPU)} GPUs, {allocatable(node, SHARED_GPU)} shared"
    ours = {key: value for key, value in labels(node).items() if "nvidia" in key or "gpuops" in key}
    return f"{name_of(node)} ({offers}{', cordoned' if node['spec'].get('unschedulable') else ''}, {ours})"


def _wish(want: Want) -> str:
    return str({key: value for key, value in want.items() if key != "count" and value not in (None, {})})


def unmet_pods(cluster: Cluster, wanted: Iterable[Want]) -> Iterator[str]:
    """As many pods of a workload as expected run or wait, on as many nodes."""
    for want in wanted:
        pods = [pod for pod in pods_of(cluster, want) if not is_deleting(pod)]
        running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
        seen = {
            "running": len(running),
            "pending": sum(pod["status"].get("phase") == "Pending" for pod in pods),
            "on_nodes": len({pod["spec"].get("nodeName") for pod in running}),
        }
        for key, count in seen.items():
            if want.get(key) not in {None, count}:
                yield f"pods of {want['workload']}: {key.replace('_', ' ')} {want[key]}; there were {count}"


def unmet_logs(cluster: Cluster, wanted: Iterable[Want], read: Read) -> Iterator[str]:
    """Some pod of the workload has written this."""
    for want in wanted:
        texts = [_log(pod, read) for pod in pods_of(cluster, want)]
        if not any(want["contains"] in text for text in texts):
            wrote = " | ".join(texts)[:300]
            yield f"log of {want['workload']}: {want['contains']!r}; {len(texts)} pods wrote: {wrote!r}"


def _log(pod: Json, read: Read) -> str:
    meta, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
    try:
        return read(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log?container={container}").decode()
    except OSError as error:
        return f"({error})"


def unmet_metrics(cluster: Cluster, wanted: Iterable[str], read: Read) -> Iterator[str]:
    """Every exporter that runs gives these series, and there is one."""
    names = tuple(wanted)
    exporters = [pod for pod in cluster.pods.values() if _exports(pod)] if names else []
    if names and not exporters:
        yield f"metrics: {', '.join(names)}; no exporter runs"
    for pod in exporters:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{EXPORTER_PORT}/proxy/metrics"
        try:
            text = read(path).decode()
        except OSError as error:
            yield f"metrics of {name_of(pod)}: {error}"
            continue
        given = {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
        if missing := [name for name in names if name not in given]:
            yield f"metrics of {name_of(pod)}: {', '.join(missing)}; there were {len(given)} others"


def _exports(pod: Json) -> bool:
    images = [container["image"] for container in pod["spec"]["containers"]]
    return pod["status"].get("phase") == "Running" and any(EXPORTER in image for image in images)


def unmet_objects(wanted: Iterable[Wanted], read: Read) -> Iterator[str]:
    """Objects are there or not, with these fields."""
    for want in wanted:
        try:
            found = want.parse(read(quote(want.path)))
        except OSError:
            found = None
        if (found is not None) != want.exists:
            yield f"{want.name}: {'there' if want.exists else 'not there'}"
        elif found is not None and not contains(found, want.has):
            yield f"{want.name}: has {want.has}"


def contains(found: Any, part: Any) -> bool:
    """Every field of the part is in what was found, at any depth."""
    if isinstance(part, Mapping):
        return isinstance(found, Mapping) and all(key in found and contains(found[key], part[key]) for key in part)
    return bool(found == part)


def pods_of(cluster: Cluster, want: Want) -> list[Json]:
    """The pods of a Deployment, DaemonSet or Job, or with its name as their app."""
    workload, namespace = want["workload"], want.get("namespace")
    found = [pod for pod in cluster.pods.values() if namespace in {None, pod["metadata"]["namespace"]}]
    return [pod for pod in found if workload in {owner(pod), labels(pod).get("app")} and not _is_past(pod)]


def _is_past(pod: Json) -> bool:
    """A pod that its workload has replaced: failed ones stay listed, and only a Job's ends are still its own."""
    phase = pod["status"].get("phase")
    return phase in ENDED and not any(o["kind"] == "Job" for o in pod["metadata"].get("ownerReferences") or [])
