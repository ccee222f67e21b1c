"""CloudWatch's alarms as EventBridge tells of them: metric, composite, and one contributor of a multi-series alarm.

A composite alarm's triggers stand inside a JSON
string; a contributor has neither a previous state nor reasonData, and its labels are the alarm's GROUP BY; the parent
of contributors says only how many of them there are. Mute rules and suppressors hold back an alarm's actions, not its
events, so who listens to the events has to respect them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from gpuops.domain.faults.fault import GpuFault, Kind, lines
from gpuops.domain.keys import REBALANCE_ALARM
from gpuops.signals.alarm import Alarm, Triggers
from gpuops.signals.signal import Envelope, Signal, State

CHANGE, CONTRIBUTOR = "CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change"
NODE = ("NodeName", "node", "k8s.node.name", "kubernetes_node", "Hostname", "hostname")
INSTANCE = ("InstanceId", "instance_id", "host.id")
CLUSTER = ("ClusterName", "cluster", "k8s.cluster.name", "aws.eks.cluster.name")
UUID = ("UUID", "uuid", "GpuUuid", "gpu_uuid")
XID = ("xid", "XID", "Xid")
KINDS: tuple[tuple[str, Kind], ...] = (
    (r"xid", "xid"),
    (r"ecc|remap|retired_page|dbe|sbe", "memory"),
    (r"nvlink|nvswitch|fabric", "link"),
    (r"therm|temp", "thermal"),
    (r"power", "power"),
    (r"gpu|dcgm|accelerat", "hardware"),
)
"""What a metric or an alarm is about, by the first words that its name has."""
GPU_WORDS = re.compile(r"gpu|dcgm|nvidia|xid|nvlink|accelerat", re.IGNORECASE)
"""A temperature of something else is none of ours."""
QUIET: dict[str, tuple[State, str]] = {
    "OK": ("recovered", "the alarm is OK"),
    "INSUFFICIENT_DATA": ("unclear", "the alarm has no data: neither health nor fault"),
}
GROUPED = re.compile(r"\bGROUP\s+BY\b|\bby\s*\(", re.IGNORECASE)
"""Metrics Insights groups in the first way, PromQL in the second."""


def read_alarm(event: Envelope, detail: Any) -> Signal:
    """Return what the alarm's event comes to. Raises: ValidationError for a detail of another shape."""
    alarm = Alarm.model_validate(detail)
    state, reason, found = _load(alarm) or _judge(alarm, event)
    held = _held(alarm)
    if held and state in {"fault", "ask", "rebalance"}:
        state, reason = "muted", f"{held}; else: {reason}"
    return Signal(
        source=event.source,
        detail_type=event.detail_type,
        at=alarm.state.timestamp or event.time,
        state=state,
        reason=reason,
        alarm=alarm.name + (f"/{alarm.contributor.id}" if alarm.contributor else ""),
        **found,
    )


def _load(alarm: Alarm) -> tuple[State, str, dict[str, Any]] | None:
    """Which pool's load it is about, by its name; None for an alarm about health, or one that does not ring."""
    if alarm.state.value != "ALARM" or not alarm.name.startswith(REBALANCE_ALARM):
        return None
    group = alarm.name.removeprefix(REBALANCE_ALARM)
    return "rebalance", f"the load of {group} wants a look", {"group": group}


def _judge(alarm: Alarm, event: Envelope) -> tuple[State, str, dict[str, Any]]:
    """What it says, as if nobody had muted it."""
    if alarm.state.value != "ALARM":
        return *QUIET[alarm.state.value], {"faults": _quiet(alarm, event)}
    if alarm.configuration.rule:
        asked = tuple(_triggers(alarm)) or (alarm.name,)
        return "ask", "a composite alarm: what triggered it says what is wrong", {"ask": asked}
    kind = kind_of(alarm)
    if kind is None:
        return "ignored", f"alarm {alarm.name} is not about GPUs", {}
    if _is_parent(event, alarm):
        return "ask", "an alarm of many series: each contributor says for itself", {"ask": (alarm.name,)}
    fault = fault_of(alarm, kind, event.time)
    if not fault.names_a_place:
        return "ignored", f"alarm {alarm.name} names no node, no instance and no GPU", {}
    return "fault", f"alarm {alarm.name}: {kind}", {"faults": (fault,)}


def _quiet(alarm: Alarm, event: Envelope) -> tuple[GpuFault, ...]:
    """Where an alarm is quiet again, so that whoever repairs there can be told; nothing for one without data."""
    kind = kind_of(alarm)
    if alarm.state.value != "OK" or kind is None:
        return ()
    fault = fault_of(alarm, kind, event.time)
    return (fault,) if fault.names_a_place else ()


def _held(alarm: Alarm) -> str:
    """Why nothing may be done about it, if somebody said so."""
    if alarm.mute:
        return f"muted by {str(alarm.mute.get('mutedByArn', 'a mute rule'))[:200]}"
    return f"its actions are suppressed by {alarm.state.suppressed_by[:200]}" if alarm.state.suppressed_by else ""


def _triggers(alarm: Alarm) -> Iterator[str]:
    """The names of the alarms in ALARM below a composite one; none where its reasonData cannot be read."""
    try:
        found = Triggers.model_validate_json(alarm.state.reason_data or "{}")
    except ValidationError:
        return
    for trigger in found.alarms[:100]:
        if trigger.state.value == "ALARM":
            yield trigger.arn.rpartition(":alarm:")[2][:255]


def _is_parent(event: Envelope, alarm: Alarm) -> bool:
    """Whether its series are told of one by one: its only word is an expression that groups them."""
    return event.detail_type == CHANGE and any(
        GROUPED.search(query.expression) for query in alarm.configuration.metrics
    )


def kind_of(alarm: Alarm) -> Kind | None:
    """What it is about: its metrics' names, then its own and its description."""
    queries = alarm.configuration.metrics
    metrics = " ".join(
        [f"{query.stat.metric.namespace} {query.stat.metric.name}" for query in queries if query.stat]
        + [query.expression for query in queries]
    )
    everything = f"{metrics} {alarm.name} {alarm.configuration.description}"
    if not GPU_WORDS.search(everything):
        return None
    for text in (metrics, everything):
        for pattern, kind in KINDS:
            if re.search(pattern, text, re.IGNORECASE):
                return kind
    return "hardware"


def fault_of(alarm: Alarm, kind: Kind, at: datetime) -> GpuFault:
    """Return what an alarm of that kind says, with its place where it names one; `at` where it has no time."""
    labels = _labels(alarm)
    uuid = _first(labels, UUID)
    return GpuFault(
        cluster=_first(labels, CLUSTER),
        node=_first(labels, NODE),
        instance=_first(labels, INSTANCE),
        uuid=uuid if uuid.startswith("GPU-") else "",
        kind=kind,
        xid=_xid(alarm, labels) if kind == "xid" else None,
        evidence=lines(f"alarm {alarm.name}", alarm.state.reason, alarm.configuration.description),
        first_seen=alarm.state.timestamp or at,
    )


def _labels(alarm: Alarm) -> Mapping[str, str]:
    """What tells where: a contributor's attributes, or else the dimensions of the alarm's metrics."""
    if alarm.contributor:
        return alarm.contributor.attributes
    found: dict[str, str] = {}
    for query in alarm.configuration.metrics:
        if query.stat:
            found |= query.stat.metric.dimensions
    return found


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name][:255] for name in names if labels.get(name)), "")


def _xid(alarm: Alarm, labels: Mapping[str, str]) -> int | None:
    """The Xid by its label; or the newest value of a series whose value is the last Xid."""
    named = _first(labels, XID)
    if named.isascii() and named.isdecimal():
        return _plausible(int(named[:6]))
    try:
        values = json.loads(alarm.state.reason_data or "{}").get("recentDatapoints") or [None]
        return _plausible(int(values[-1]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None  # no number there: the fault stays an Xid of no known number, which is never taken for harmless


def _plausible(xid: int) -> int | None:
    return xid if 1 <= xid <= 999 else None  # noqa: PLR2004 - NVIDIA's catalogue ends far below
