"""Look at a cluster's GPU nodes each minute, and have what is newly wrong answered like any other signal.

The node monitoring agent's conditions reach no event bus, and neither do Xids: so one list of nodes, and what the
cluster's Prometheus knows of their GPUs or, without one, the exporters of so many nodes a minute. An exporter that does
not answer is no fault of its node: it is counted, and that is all.

In:  {"cluster": "demo", "now": "..."}
Out: {"status": "looked", "reason", "told": [{"node", "fault", "became"}], "silent", "looks"}
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from gpuops.adapters.world import World
from gpuops.domain.cluster import instance_of
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.errors import EXPECTED, together
from gpuops.domain.faults.sightings import (
    EXPORTERS_SILENT,
    XIDS_SEEN,
    News,
    Sighting,
    news_of,
    see_conditions,
    see_gpus,
)
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.keys import GPU_RESOURCE
from gpuops.domain.policy import Policy
from gpuops.entry import entry, measure
from gpuops.gauges import Gauges
from gpuops.incidents import tell

NODES = "/api/v1/nodes"
Raw = Mapping[str, Any]


class DetectFaults(BaseModel):
    """One look at one cluster."""

    cluster: str


class Became(BaseModel):
    """What became of one fault that was told."""

    node: str
    fault: str
    became: str


class Looked(BaseModel):
    """What was told; `looks` is the number of minutes in which every exporter is asked once."""

    status: Literal["looked"] = "looked"
    reason: str
    told: tuple[Became, ...] = ()
    silent: int = 0
    looks: int = 1


@entry(DetectFaults)
def handler(request: DetectFaults, now: datetime) -> Looked:
    """Look; a second call finds nothing new."""
    return detect(request.cluster, now, World())


def detect(name: str, now: datetime, world: World) -> Looked:
    """What could not be told is looked at anew the next time; all errors are raised at the end."""
    policy = world.policies.latest()
    if not any(group.cluster == name for group in policy.groups):
        return Looked(reason=f"cluster {name} is not in the policy")
    cluster = world.cluster(name)
    nodes = {str(raw["metadata"]["name"]): raw for raw in cluster.kube.get_all(NODES) if _has_gpus(raw)}
    look = Gauges(world, cluster, policy.cluster(name), list(nodes)).faults(now)
    sightings = list(_sightings(nodes, look.readings, now))
    answered = {node for node, reading in look.readings.items() if not reading.silent}
    before = world.seen.read(name)
    gone = {mark.partition(" ")[0] for mark in before or ()} - nodes.keys()
    news = news_of(sightings, before, frozenset(answered | gone), xid_table())
    silent = len(nodes) if look.why else len(look.readings) - len(answered)
    measure(EXPORTERS_SILENT, silent)
    measure(XIDS_SEEN, sum(sighting.fault.kind == "xid" for sighting in news.told))
    told, failed, errors = _tell(news, now, policy, world)
    _quiet(news, nodes, now, world)
    if news.seen - failed != before:
        world.seen.write(name, news.seen - failed)
    if errors:
        raise together(errors)
    reason = f"{len(nodes)} nodes, {look.source} of {len(answered)}, {len(told)} faults told{look.why}"
    return Looked(reason=reason, told=tuple(told), silent=silent, looks=look.looks)


def _sightings(nodes: Mapping[str, Raw], readings: Mapping[str, Readings], now: datetime) -> Iterator[Sighting]:
    """Everything that is wrong."""
    for raw in nodes.values():
        yield from see_conditions(raw, now)
    for name, reading in readings.items():
        yield from see_gpus(reading.gpus.values(), name, _instance(nodes[name]), now)


def _tell(
    news: News, now: datetime, policy: Policy, world: World
) -> tuple[list[Became], frozenset[str], list[Exception]]:
    """Tell each; one that fails keeps no other from being told, and is not remembered as seen."""
    told: list[Became] = []
    failed: set[str] = set()
    errors: list[Exception] = []
    for sighting in news.told:
        try:
            became = tell(sighting.fault, sighting.source, now, policy, world)
        except EXPECTED as error:
            errors.append(error)
            failed.add(sighting.mark)
        else:
            told.append(Became(node=sighting.node, fault=sighting.fault.title, became=became.status))
    return told, frozenset(failed), errors


def _quiet(news: News, nodes: Mapping[str, Raw], now: datetime, world: World) -> None:
    """Tell repairs what is well again; of a node that is gone nobody waits for it."""
    for node, source in news.over:
        if node in nodes:
            world.incidents.quiet(_instance(nodes[node]), source, now)


def _instance(raw: Raw) -> str:
    return instance_of(raw.get("spec", {}).get("providerID", ""))


def _has_gpus(raw: Raw) -> bool:
    """By its capacity: what a faulty GPU takes away is allocatable."""
    return int(raw.get("status", {}).get("capacity", {}).get(GPU_RESOURCE, 0)) > 0
