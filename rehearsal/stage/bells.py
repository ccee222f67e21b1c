"""The operator's CloudWatch alarms: made before the story begins, and moved by its moments alone."""

import json
from typing import Any

from rehearsal.scenario import Alarm, AlarmState
from rehearsal.stage.casting import Cast
from rehearsal.world import World

QUIET = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
"""No metric moves them, so that these are of no account."""
REASON = "the scenario says so"


class Bells:
    """Makes alarms and has them ring, through CloudWatch's own API where there is one for it."""

    def __init__(self, world: World, cast: Cast) -> None:
        self._world, self._cast = world, cast

    def create(self, alarm: Alarm) -> None:
        """Make the alarm, of the kind that it is."""
        tags = [{"Key": key, "Value": value} for key, value in alarm.tags.items()]
        if alarm.rule:
            self._cloudwatch.put_composite_alarm(AlarmName=alarm.name, AlarmRule=alarm.rule, Tags=tags)
        else:
            self._cloudwatch.put_metric_alarm(AlarmName=alarm.name, Tags=tags, **QUIET, **self._looks_at(alarm))

    def change(self, change: AlarmState) -> None:
        """Move it: a mute rule first, then its series one by one, or the alarm itself."""
        alarms = self._world.region.alarms
        if change.muted is not None:
            (alarms.muted.add if change.muted else alarms.muted.discard)(change.name)
        if change.series:
            alarms.change_series(change.name, self._series(change), change.state, REASON)
        else:
            newest = {} if change.value is None else {"StateReasonData": _data(change.value)}
            self._cloudwatch.set_alarm_state(
                AlarmName=change.name, StateValue=change.state, StateReason=REASON, **newest
            )

    @property
    def _cloudwatch(self) -> Any:
        return self._world.region.account.client("cloudwatch")

    def _looks_at(self, alarm: Alarm) -> dict[str, Any]:
        """What PutMetricAlarm has for it: a query, a GPU metric of one instance, or something of the application's."""
        if alarm.query:
            return {"Metrics": [{"Id": "q1", "Expression": alarm.query, "ReturnData": True, "Period": 60}]}
        if alarm.watches is None:
            return {"Namespace": "app", "MetricName": alarm.name, "Statistic": "Sum", "Period": 60}
        where = {
            "ClusterName": self._world.scenario.cluster,
            "InstanceId": self._cast.instances(alarm.watches.group)[alarm.watches.index],
        }
        dimensions = [{"Name": name, "Value": value} for name, value in where.items()]
        return {
            "Namespace": "gpus",
            "MetricName": alarm.watches.metric,
            "Statistic": "Maximum",
            "Period": 60,
            "Dimensions": dimensions,
        }

    def _series(self, change: AlarmState) -> list[dict[str, str]]:
        """One for each node, with its name alone: that is what a query groups by."""
        return [
            {"NodeName": node["metadata"]["name"]}
            for group, count in change.series.items()
            for node in self._cast.nodes(group)[:count]
        ]


def _data(value: float) -> str:
    return json.dumps({"version": "1.0", "recentDatapoints": [value]})
