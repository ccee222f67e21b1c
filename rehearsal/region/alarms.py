"""The history of CloudWatch alarms, which moto keeps and does not show. Left out: every other kind of item in it."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from rehearsal.region.patches import Patches

STATE = "StateUpdate"


def install(patches: Patches) -> None:
    """Answer DescribeAlarmHistory for moto."""
    patches.set(CloudWatchResponse, "describe_alarm_history", _describe_alarm_history)


def _describe_alarm_history(self: Any) -> ActionResult:
    """One alarm's changes of state, the newest first; all alarms' at once are refused here."""
    name, since = self._get_param("AlarmName"), self._get_param("StartDate")
    if not name or self._get_param("HistoryItemType") != STATE:
        raise NotImplementedError("the rehearsal shows the state updates of one alarm only")
    alarms = self.cloudwatch_backend.get_alarms_by_alarm_names([name])
    items = [item for alarm in alarms for item in _changes(alarm) if not since or item["Timestamp"] >= _naive(since)]
    return ActionResult({"AlarmHistoryItems": items[::-1]})


def _changes(alarm: Any) -> list[dict[str, Any]]:
    """Moto writes down each state with the time since which it held; a change lies between two of them."""
    states = [(item[3], item[4]) for item in alarm.history if item[0] == STATE]
    states.append((alarm.state_value, alarm.state_updated_timestamp))
    return [
        {
            "AlarmName": alarm.name,
            "AlarmType": "MetricAlarm",
            "Timestamp": at,
            "HistoryItemType": STATE,
            "HistorySummary": f"Alarm updated from {before} to {after}",
        }
        for (before, _), (after, at) in pairwise(states)
    ]


def _naive(at: dt.datetime) -> dt.datetime:
    """As moto keeps times: in UTC, and without saying so."""
    return at.astimezone(dt.UTC).replace(tzinfo=None) if at.tzinfo else at
