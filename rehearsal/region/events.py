"""EventBridge: from an event to its targets, on the clock.

Patterns are moto's. Each match is delivered by a timer of its own, a moment of simulated time later, through the API
and with the rule's role, so the wire judges and disturbs it as it does every call. What a target refuses is tried
again and ends in the rule's dead-letter queue. Left out: archives, replay, API destinations, cross-account buses.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from moto.events import models
from moto.s3 import notifications

from rehearsal.clock import Clock
from rehearsal.engine import Progress
from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.event_faults import fate_of
from rehearsal.region.inputs import input_of
from rehearsal.region.patches import Patches
from rehearsal.region.targets import Delivery, Targets
from rehearsal.scenario import EventFault

DELIVERY_SECONDS = 0.5


def iso(seconds: float) -> str:
    """An event's time, in whole seconds as EventBridge writes it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Bus:
    """Every bus of the region."""

    def __init__(self, clock: Clock, targets: Targets) -> None:
        self._clock, self._targets = clock, targets
        self._emitted = 0
        self._matches: Counter[str] = Counter()
        self._started: dict[str, float] = {}
        self.heard: list[tuple[str, str]] = []
        """Source and detail-type of whatever somebody put on a bus, in order."""
        self.faults = list[EventFault]()
        """What becomes of events on their way to targets; a schedule's own are spared."""
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        """Called with each event of a service, before any rule sees it."""

    def install(self, patches: Patches) -> None:
        """Take over what moto sends to targets, and what its S3 sends to the bus."""
        patches.set(models.Rule, "send_to_targets", lambda rule, event, *_, **__: self._match(rule, event))
        put_events = models.EventsBackend.put_events

        def put(backend: Any, events: list[dict[str, Any]]) -> Any:
            entries = put_events(backend, events)
            taken = (event for event, entry in zip(events, entries, strict=True) if "EventId" in entry)
            self.heard.extend((event["Source"], event["DetailType"]) for event in taken)
            return entries

        patches.set(models.EventsBackend, "put_events", put)
        patches.set(notifications, "_send_event_bridge_message", self._object_event)

    def emit(
        self, source: str, detail_type: str, detail: Mapping[str, Any], resources: list[str] | None = None
    ) -> dict[str, Any]:
        """An AWS service speaks on the default bus; returns the event as sent."""
        self._emitted += 1
        event = {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{self._emitted:012d}",
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": iso(self._clock.now()),
            "region": REGION,
            "resources": list(resources or []),
            "detail": dict(detail),
        }
        for listener in self.listeners:
            listener(event)
        bus = models.events_backends[ACCOUNT][REGION].describe_event_bus("default")
        for rule in list(bus.rules.values()):
            self._match(rule, event)
        return event

    def execution_changed(self, progress: Progress) -> None:
        """Step Functions tells the bus of an execution's start and end, not of its states."""
        if progress.state is not None:
            return
        started = self._started.setdefault(progress.arn, progress.at)
        running = progress.status == "RUNNING"
        detail = {
            "executionArn": progress.arn,
            "stateMachineArn": progress.machine_arn,
            "name": progress.name,
            "status": progress.status,
            "startDate": int(started * 1000),
            "stopDate": None if running else int(progress.at * 1000),
            "input": progress.input,
            "output": progress.output,
            "error": progress.error,
            "cause": progress.cause,
        }
        self.emit("aws.states", "Step Functions Execution Status Change", detail, [progress.arn])

    def _match(self, rule: Any, original: Mapping[str, Any]) -> None:
        if rule.state == "DISABLED" or rule.scheduled_expression or not rule.event_pattern.matches_event(original):
            return
        event = copy.deepcopy(dict(original))
        event.pop("ingestion-time", None)
        if not isinstance(event["time"], str):
            event["time"] = iso(float(event["time"]))
        fate = fate_of(event, self.faults)
        event["time"] = iso(dt.datetime.fromisoformat(event["time"]).timestamp() - fate.skew_seconds)
        for target in [*rule.targets] * fate.copies:
            origin = f"{rule.event_bus_name}/{rule.name}"
            self.deliver(origin, target, event, DELIVERY_SECONDS + fate.late_seconds)

    def deliver(
        self, origin: str, target: dict[str, Any], event: dict[str, Any], seconds: float = DELIVERY_SECONDS
    ) -> None:
        """Hand the event to one target of a rule or schedule, `seconds` later."""
        self._matches[origin] += 1
        key = f"event/{origin}/{self._matches[origin]}/{target.get('Id', '')}"
        delivery = Delivery(origin=origin, target=target, payload=input_of(target, event), since=self._clock.now())
        self._clock.call_later(seconds, key, lambda: self._targets.hand_over(key, delivery))

    def _object_event(self, account: str, bucket: Any, event_name: str, key: Any) -> None:
        what = notifications._detail_type(event_name)  # noqa: SLF001
        entity = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{self._emitted:016X}"}
        if key.version_id:
            entity["version-id"] = key.version_id
        reason = {"reason": "PutObject"} if what == "Object Created" else {}
        detail = {"version": "0", "bucket": {"name": bucket.name}, "object": entity, "requester": account, **reason}
        self.emit("aws.s3", what, detail, [bucket.arn])


def schedule_event(rule_arn: str, now: float, count: int) -> dict[str, Any]:
    """What a schedule rule sends to a target without an input of its own."""
    return {
        "version": "0",
        "id": f"00000000-0000-4000-9000-{count:012d}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": iso(now),
        "region": REGION,
        "resources": [rule_arn],
        "detail": {},
    }
