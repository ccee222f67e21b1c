"""What a look at a cluster's nodes and exporters shows, and what of it is news.

A sighting has a mark: it bears the same mark for as long as it is the same one. The node monitoring agent's conditions
stay until something clears them; DCGM's gauge keeps the last Xid until its driver is loaded again, so its value is no
count. What was seen before is therefore remembered by its marks, and only another mark is told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuops.domain.cluster import instance_of
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.faults.fault import GpuFault, Kind, lines
from gpuops.domain.faults.xids import Table

XIDS_SEEN, EXPORTERS_SILENT = "XidsSeen", "ExportersSilent"
"""Metrics that the template's alarms watch, by name."""
CONDITION = "AcceleratedHardwareReady"
"""Of the EKS node monitoring agent; its reasons: aws/eks-node-monitoring-agent, package reasons (read at v1.6)."""
XID = re.compile(r"XID(\d{1,3})")
KINDS: tuple[tuple[str, Kind], ...] = (
    (r"DoubleBit|PageRetirement", "memory"),
    (r"NVLink|Fabric", "link"),
    (r"Thermal", "thermal"),
    (r"Power", "power"),
)
NOT_OURS = "Neuron"
DOUBTFUL = {"DCGMError"}
"""The agent did not reach DCGM, as while an exporter is restarted: by itself that is no fault of a GPU, and had healthy
nodes replaced (containers-roadmap #2555)."""
CLOCKS: dict[str, Kind] = {
    "hw_thermal_slowdown": "thermal",
    "sw_thermal_slowdown": "thermal",
    "hw_power_brake_slowdown": "power",
}
"""DCGM's clock events that say something is wrong; a software power cap is a busy GPU's ordinary life."""


@dataclass(frozen=True)
class Sighting:
    """One thing that is wrong, as one look shows it."""

    node: str
    mark: str
    source: str
    """How an incident names it."""
    fault: GpuFault
    doubtful: bool = False
    """It needs a second source before anybody acts on it."""


@dataclass(frozen=True)
class News:
    """What is told, what is over, and what is remembered."""

    told: tuple[Sighting, ...]
    over: tuple[tuple[str, str], ...]
    """Node and source of what was seen before and is gone."""
    seen: frozenset[str]


def see_conditions(raw: Mapping[str, Any], now: datetime) -> Iterator[Sighting]:
    """What the agent says about one Node object; its own times are a node's, and only tell one spell from the next."""
    name, instance = str(raw["metadata"]["name"]), instance_of(raw.get("spec", {}).get("providerID", ""))
    for condition in raw.get("status", {}).get("conditions", ()):
        if condition.get("type") != CONDITION or condition.get("status") != "False":
            continue
        reason, since = str(condition.get("reason", "")), str(condition.get("lastTransitionTime", ""))
        if reason.startswith(NOT_OURS):
            continue
        xid = XID.search(reason)
        fault = GpuFault(
            node=name,
            instance=instance,
            kind="xid" if xid else _kind(reason),
            xid=int(xid[1]) if xid and int(xid[1]) else None,
            evidence=lines(f"{CONDITION} is False: {reason}", str(condition.get("message", ""))),
            first_seen=now,
        )
        mark = f"{name} {CONDITION} {reason} {since}"
        yield Sighting(name, mark, f"condition {CONDITION}", fault, doubtful=reason in DOUBTFUL)


def see_gpus(samples: Iterable[GpuSample], node: str, instance: str, now: datetime) -> Iterator[Sighting]:
    """What a node's exporter says about its GPUs: every Xid that it shows at all, and clocks that are held back."""
    for gpu in samples:
        pods = ", ".join(dict.fromkeys(pod.title for pod in gpu.pods))
        where = {"node": node, "instance": instance, "uuid": gpu.uuid, "first_seen": now}
        for mark, what, line in _of_gpu(gpu):
            told = lines(f"{line} at {gpu.uuid}", f"pods on it: {pods}" if pods else "")
            source = f"{mark} of {gpu.uuid}"
            yield Sighting(node, f"{node} {gpu.uuid} {mark}", source, GpuFault(**where, **what, evidence=told))


def _of_gpu(gpu: GpuSample) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What is wrong with one GPU: mark, fault, and a line for a person."""
    for xid in gpu.xids:
        if xid:
            yield f"xid {xid}", {"kind": "xid", "xid": xid}, f"DCGM shows Xid {xid}"
    held = {CLOCKS[event]: event for event, count in gpu.clock_events.items() if count and event in CLOCKS}
    for kind, event in held.items():
        yield f"clocks {kind}", {"kind": kind}, f"clocks are held back by {event}"


def news_of(sightings: Iterable[Sighting], seen: frozenset[str] | None, looked: frozenset[str], table: Table) -> News:
    """Return what is new since the last look, of which `seen` are the marks; None before the first.

    `looked` are the nodes whose exporters answered, or that are gone: what was seen on any other is kept. At the very
    first look nobody knows how old an Xid is, so one that a board survives is remembered and not told.
    """
    now = {sighting.mark: sighting for sighting in sightings}
    fresh = [s for mark, s in now.items() if mark not in (seen or ()) and not s.doubtful]
    told = [s for s in fresh if seen is not None or s.fault.xid is None or table.effect(s.fault.xid) != "tolerated"]
    gone = {mark for mark in seen or () if mark not in now and (CONDITION in mark or _node(mark) in looked)}
    kept = {mark for mark in seen or () if mark not in gone}
    return News(tuple(told), tuple(sorted(_over(gone, now.values()))), frozenset(kept | now.keys()))


def _over(gone: Iterable[str], now: Iterable[Sighting]) -> set[tuple[str, str]]:
    """Conditions and clocks that are well again; an Xid that is not shown any more was not taken back."""
    still = {(sighting.node, sighting.source) for sighting in now}
    found = {(_node(mark), source) for mark in gone if (source := _source(mark))}
    return found - still


def _source(mark: str) -> str:
    """The source of a mark that can be taken back."""
    _, first, kind, *rest = mark.split(" ")
    if first == CONDITION:
        return f"condition {CONDITION}"
    return f"clocks {rest[0]} of {first}" if kind == "clocks" else ""


def _node(mark: str) -> str:
    return mark.partition(" ")[0]


def _kind(reason: str) -> Kind:
    return next((kind for pattern, kind in KINDS if re.search(pattern, reason)), "hardware")
