"""What CloudWatch tells the bus when an alarm changes its state: a metric's, a composite's, one of many series'.

moto keeps alarms and tells nobody. Nothing here evaluates a metric or a rule: scenarios move alarms, by SetAlarmState
or, where AWS has no call for it, through this object. A composite alarm lists whatever its rule names. Mute rules are
kept as the names of what they mute. Left out: actions of alarms, and the tags that an event may carry.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.events import Bus
from rehearsal.region.patches import Patches

CHANGE, CONTRIBUTOR = "CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change"
MUTE_RULE = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm-mute-rule:maintenance"


class AlarmEvents:
    """The alarms of the region as the bus hears of them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.muted: set[str] = set()
        self._series: dict[str, list[Mapping[str, str]]] = {}

    def install(self, patches: Patches) -> None:
        """Tell of every change that SetAlarmState makes, and take and answer what moto does not know."""
        set_alarm_state = CloudWatchBackend.set_alarm_state

        def change(backend: Any, name: str, *given: Any) -> None:
            before = _state(backend.alarms[name]) if name in backend.alarms else {}
            set_alarm_state(backend, name, *given)
            if before["value"] != backend.alarms[name].state_value:
                self._tell(backend, backend.alarms[name], before)

        def contributors(response: Any) -> ActionResult:
            return self._contributors(response)

        patches.set(CloudWatchBackend, "set_alarm_state", change)
        patches.set(CloudWatchResponse, "put_composite_alarm", CloudWatchResponse.put_metric_alarm)  # it keeps the rule
        patches.set(CloudWatchResponse, "describe_alarm_contributors", contributors)

    def change_series(self, name: str, series: Iterable[Mapping[str, str]], state: str, reason: str) -> None:
        """Series of an alarm change their state: each speaks for itself, and then the alarm for them all."""
        backend, series = cloudwatch_backends[ACCOUNT][REGION], list(series)
        alarm = backend.alarms[name]
        now = [one for one in self._series.get(name, []) if one not in series]
        self._series[name] = [*now, *series] if state == "ALARM" else now
        for one in series:
            detail = {
                "alarmName": name,
                "alarmContributor": {"id": _id(one), "attributes": dict(one)},
                "state": {"value": state, "reason": reason, "timestamp": _time(alarm.state_updated_timestamp)},
                "configuration": _configuration(alarm),
            }
            self._bus.emit("aws.cloudwatch", CONTRIBUTOR, detail | self._mute(name), [alarm.alarm_arn])
        value = "ALARM" if self._series[name] else "OK"
        told = f"{len(self._series[name])} out of {len(self._series[name])} time series crossed the threshold"
        backend.set_alarm_state(name, told, "{}", value)

    def _tell(self, backend: Any, alarm: Any, before: dict[str, Any]) -> None:
        state = _state(alarm)
        if alarm.rule:
            named = [backend.alarms[name] for name in re.findall(r"\(\"?([^()\"]+)\"?\)", alarm.rule)]
            triggers = [{"arn": one.alarm_arn, "state": {"value": one.state_value}} for one in named]
            state["reasonData"] = json.dumps({"triggeringAlarms": triggers})
        detail = {
            "alarmName": alarm.name,
            "state": state,
            "previousState": before,
            "configuration": _configuration(alarm),
        }
        self._bus.emit("aws.cloudwatch", CHANGE, detail | self._mute(alarm.name), [alarm.alarm_arn])

    def _mute(self, name: str) -> dict[str, Any]:
        return {"muteDetail": {"mutedByArn": MUTE_RULE}} if name in self.muted else {}

    def _contributors(self, response: Any) -> ActionResult:
        """The series of one alarm that are in ALARM."""
        name = response._get_param("AlarmName")  # noqa: SLF001 - moto's own way to read a parameter
        found = [
            {"ContributorId": _id(one), "ContributorAttributes": dict(one), "StateReason": "Threshold Crossed"}
            for one in self._series.get(name, [])
        ]
        return ActionResult({"AlarmContributors": found})


def _id(series: Mapping[str, str]) -> str:
    return "/".join(series.values())


def _state(alarm: Any) -> dict[str, Any]:
    return {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data or "{}",
        "timestamp": _time(alarm.state_updated_timestamp),
    }


def _time(at: dt.datetime) -> str:
    """As the events have it: milliseconds, and +0000."""
    return f"{at.isoformat(timespec='milliseconds')}+0000"


def _configuration(alarm: Any) -> dict[str, Any]:
    """What the alarm looks at, as the events have it."""
    described = {"description": alarm.description or ""}
    if alarm.rule:
        return described | {"alarmRule": alarm.rule}
    if alarm.metric_data_queries:
        queries = [{"id": query.id, "expression": query.expression or ""} for query in alarm.metric_data_queries]
        return described | {"metrics": queries}
    dimensions = {dimension.name: dimension.value for dimension in alarm.dimensions}
    metric = {"namespace": alarm.namespace, "name": alarm.metric_name, "dimensions": dimensions}
    return described | {"metrics": [{"id": "m1", "metricStat": {"metric": metric, "period": alarm.period}}]}
