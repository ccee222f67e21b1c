"""The verdict on a canary while it bakes: alarms, Xids, restarts, readiness; pure, over what one look saw.

Whatever cannot be read is no proof of health: an alarm that does not answer fails its look, which is retried, and then
the roll. An exporter that is missing is only told, as in admissions: it is no fault of the node.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from gpuops.domain.cluster import Node
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.faults.xids import Table
from gpuops.domain.rotation.crashes import Crashing
from gpuops.domain.rotation.waiting import pause_seconds

ALARM, NO_DATA = "ALARM", "INSUFFICIENT_DATA"
MOST_TOLD = 5
"""A verdict is read by people, and travels through every state."""


@dataclass(frozen=True)
class Alarm:
    """One CloudWatch alarm: its state, and whether it rang at any time since the change began."""

    name: str
    state: str
    rang: bool = False


@dataclass(frozen=True)
class CanaryNode:
    """What one look saw of one canary."""

    instance: str
    name: str
    node: Node | None
    """None once instance or Node is gone."""
    ready_since: str = ""
    """When its readiness last changed, as the API writes it: compared only with its like, never with `now`."""
    readings: Readings = field(default_factory=Readings)
    crashing: Sequence[Crashing] = ()
    """Its pods that restarted too often, without the excuse that they crash on old nodes as well."""


@dataclass(frozen=True)
class Look:
    """What is seen at one moment, and what the look before remembered of the nodes' readiness."""

    alarms: Sequence[Alarm]
    nodes: Sequence[CanaryNode]
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the look comes to."""

    status: Literal["baking", "good", "bad"]
    reason: str
    ready: Mapping[str, str]
    """By canary, its `ready_since`, for the next look."""
    wait_seconds: int = 0


@dataclass(frozen=True)
class Bake:
    """How long is watched."""

    since: datetime
    minutes: int

    @property
    def until(self) -> datetime:
        """When it has passed."""
        return self.since + timedelta(minutes=self.minutes)


def judge_canary(look: Look, bake: Bake, table: Table, now: datetime) -> Verdict:
    """Say whether the canaries are bad, bake on, or are good."""
    ready = {seen.name: seen.ready_since for seen in look.nodes if seen.node}
    faults = [*_ringing(look.alarms), *(fault for seen in look.nodes for fault in _faults(seen, look.before, table))]
    if faults:
        return Verdict("bad", _told(faults), ready)
    if now < bake.until:
        reason = f"bakes until {bake.until.isoformat()}"
        return Verdict("baking", reason, ready, pause_seconds(bake.since, now, bake.until))
    notes = [f"{bake.minutes} minutes without a complaint", *_unseen(look)]
    return Verdict("good", _told(notes), ready)


def judge_alarms(alarms: Sequence[Alarm]) -> str | None:
    """Say why the roll must not go on, or None."""
    return _told(list(_ringing(alarms))) or None


def _ringing(alarms: Sequence[Alarm]) -> Iterator[str]:
    """An alarm without data is neither good nor bad."""
    for alarm in alarms:
        if alarm.state == ALARM:
            yield f"alarm {alarm.name} rings"
        elif alarm.rang:
            yield f"alarm {alarm.name} rang since the change began"


def _faults(seen: CanaryNode, before: Mapping[str, str], table: Table) -> Iterator[str]:
    if seen.node is None:
        yield f"canary {seen.instance} is gone"
        return
    if not seen.node.ready:
        yield f"{seen.name} is not Ready: {seen.node.readiness}"
    elif before.get(seen.name, seen.ready_since) != seen.ready_since:
        yield f"{seen.name} was not Ready for a while"
    for uuid, gpu in sorted(seen.readings.gpus.items()):
        for xid in sorted(xid for xid in gpu.xids if xid and table.effect(xid) != "tolerated"):
            yield f"{seen.name}: {uuid}: Xid {xid} ({table.effect(xid)})"
    for pod in seen.crashing:
        yield f"{seen.name}: {pod.title} restarted {pod.restarts} times"


def _unseen(look: Look) -> Iterator[str]:
    """What a good verdict does not rest on."""
    for alarm in look.alarms:
        if alarm.state == NO_DATA:
            yield f"alarm {alarm.name} has no data"
    for seen in look.nodes:
        if seen.readings.silent:
            yield f"{seen.name}: Xids were not looked at: {seen.readings.silent}"


def _told(words: Sequence[str]) -> str:
    more = [f"{len(words) - MOST_TOLD} more"] if len(words) > MOST_TOLD else []
    return "; ".join([*words[:MOST_TOLD], *more])[:1000]
