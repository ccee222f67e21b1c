"""Schedules as timers of the clock: EventBridge Scheduler's and those of rules.

Only what is known to the region ticks: a schedule is armed when it is created, and again after each tick. Flexible
windows are taken as their start.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import moto.events.models as events_models
import moto.scheduler.models as scheduler_models

from rehearsal.clock import Clock, Timer
from rehearsal.region.events import Bus, iso, schedule_event
from rehearsal.region.expressions import next_after
from rehearsal.region.patches import Patches


@dataclass
class _Armed:
    """Whole seconds, as AWS's: with fractions, a rounded instant could lie before itself and tick for ever."""

    start: float
    due: float
    timer: Timer | None = None


class Scheduler:
    """Keeps a timer for each enabled schedule."""

    def __init__(self, clock: Clock, bus: Bus) -> None:
        self._clock, self._bus = clock, bus
        self._armed: dict[str, _Armed] = {}
        self.ticks = 0

    def install(self, patches: Patches) -> None:
        """Follow whatever the two APIs create, change and delete."""
        scheduler, events = scheduler_models.EventBridgeSchedulerBackend, events_models.EventsBackend
        for name in ("create_schedule", "update_schedule"):
            self._follow(patches, scheduler, name, self._schedule)
        self._follow(patches, scheduler, "delete_schedule", lambda _, given: self._disarm(_schedule_key(given)))
        for name in ("put_rule", "enable_rule", "disable_rule"):
            self._follow(patches, events, name, self._rule)
        self._follow(patches, events, "delete_rule", lambda _, given: self._disarm(_rule_key(given)))

    def close(self) -> None:
        """No more ticks."""
        for key in list(self._armed):
            self._disarm(key)

    @staticmethod
    def _follow(patches: Patches, owner: type, name: str, then: Callable[[Any, dict[str, Any]], None]) -> None:
        original = getattr(owner, name)
        names = list(inspect.signature(original).parameters)[1:]

        def call(backend: Any, *args: Any, **given: Any) -> Any:
            result = original(backend, *args, **given)
            then(backend, {**dict(zip(names, args, strict=False)), **given})
            return result

        patches.set(owner, name, call)

    def _schedule(self, backend: Any, given: dict[str, Any]) -> None:
        schedule = backend.get_schedule(given.get("group_name"), given["name"])
        key, zone = _schedule_key(given), schedule.schedule_expression_timezone

        def tick(due: float) -> None:
            # The payload of a target without an input is empty, unlike a rule's.
            target = {**schedule.target, "Input": self._filled(schedule.target.get("Input") or "{}", schedule.arn, due)}
            self._bus.deliver(key, target, schedule_event(schedule.arn, due, self.ticks))

        self._arm(key, schedule.schedule_expression, zone, schedule.state, tick)

    def _rule(self, backend: Any, given: dict[str, Any]) -> None:
        bus = given.get("event_bus_arn") or "default"
        rule = backend.describe_rule(given["name"], bus)
        if not rule.scheduled_expression:
            return

        def tick(due: float) -> None:
            event = schedule_event(rule.arn, due, self.ticks)
            for target in list(rule.targets):
                self._bus.deliver(f"{rule.event_bus_name}/{rule.name}", target, event)

        self._arm(_rule_key(given), rule.scheduled_expression, "UTC", rule.state, tick)

    def _arm(self, key: str, expression: str, zone: str, state: str | None, tick: Callable[[float], None]) -> None:
        now = self._clock.now()
        before = self._armed.get(key)
        self._disarm(key)
        start = before.start if before else float(math.floor(now))
        due = next_after(expression, now, start, zone)  # also refuses what AWS refuses
        if (state or "ENABLED") != "ENABLED" or due is None:  # an update without a state enables
            return
        armed = _Armed(start, due)
        self._armed[key] = armed

        def fire() -> None:
            self.ticks += 1
            tick(armed.due)
            later = next_after(expression, armed.due, armed.start, zone)
            if later is not None and self._armed.get(key) is armed:
                armed.due, armed.timer = later, self._later(later, key, fire)

        armed.timer = self._later(due, key, fire)

    def _filled(self, text: str, arn: str, due: float) -> str:
        """The input with Scheduler's context attributes: the only way in which a target learns its time."""
        attributes = {
            "schedule-arn": arn,
            "scheduled-time": iso(due),
            "execution-id": f"tick-{self.ticks}",
            "attempt-number": "1",
        }
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def _later(self, due: float, key: str, fire: Callable[[], None]) -> Timer:
        return self._clock.call_later(due - self._clock.now(), key, fire)

    def _disarm(self, key: str) -> None:
        armed = self._armed.pop(key, None)
        if armed and armed.timer:
            self._clock.cancel(armed.timer)


def _schedule_key(given: dict[str, Any]) -> str:
    return f"schedule/{given.get('group_name') or 'default'}/{given['name']}"


def _rule_key(given: dict[str, Any]) -> str:
    return f"rule/{(given.get('event_bus_arn') or 'default').rsplit('/', 1)[-1]}/{given['name']}"
