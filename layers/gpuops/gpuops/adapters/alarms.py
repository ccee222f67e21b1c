"""CloudWatch alarms: how those stand that a roll must not make ring.

DescribeAlarms is asked with every name at once, and the history only of alarms that changed since the roll began: one
that rang between two looks, and is quiet again, is found there.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Canary
from gpuops.domain.rotation.bake import ALARM, Alarm

TYPES = ["MetricAlarm", "CompositeAlarm"]
"""Composite ones are left out unless they are asked for."""
AT_ONCE = 100
"""DescribeAlarms' limit of names."""
TO_ALARM = f"to {ALARM}"
"""The end of a state update's summary, `Alarm updated from OK to ALARM` (CloudWatch, DescribeAlarmHistory)."""


class Alarms:
    """The alarms of one account and region; read only. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, cloudwatch: Any, tagging: Any) -> None:
        self._cloudwatch, self._tagging = cloudwatch, tagging

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("cloudwatch"), client("resourcegroupstaggingapi"))

    def look(self, policy: Canary, since: datetime) -> list[Alarm]:
        """Return the alarms that the policy names, by name or tag. Raises: Invalid for one that does not exist."""
        names = dict.fromkeys((*policy.alarms, *(self._tagged(policy.alarm_tag) if policy.alarm_tag else ())))
        return self.states(names, since) if names else []

    def states(self, names: Iterable[str], since: datetime) -> list[Alarm]:
        """Return how these alarms stand, and whether they rang since then. Raises: Invalid for one that is missing."""
        wanted = list(names)
        with translated("describe alarms"):
            pages = self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=wanted, AlarmTypes=TYPES)
            found = {
                raw["AlarmName"]: raw for page in pages for raw in (*page["MetricAlarms"], *page["CompositeAlarms"])
            }
        if missing := [name for name in wanted if name not in found]:
            raise Invalid(f"CloudWatch alarms do not exist: {', '.join(missing)}")
        return [self._alarm(found[name], since) for name in wanted]

    def ringing(self, names: Iterable[str]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Return the metric alarms of these names that are in ALARM, each with its contributors in ALARM, as they are.

        One that is gone by now is left out. A composite one says nothing itself: those below it speak.
        """
        with translated("describe alarms"):
            pages = self._cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=list(names), StateValue=ALARM)
            found = [raw for page in pages for raw in page["MetricAlarms"] if raw["StateValue"] == ALARM]
        return [(raw, [] if "MetricName" in raw else self._contributors(raw["AlarmName"])) for raw in found]

    def _contributors(self, name: str) -> list[dict[str, Any]]:
        """The series of an alarm that are in ALARM; none where it has one series only."""
        with translated(f"describe contributors of alarm {name}"):
            answer = self._cloudwatch.describe_alarm_contributors(AlarmName=name)
        return list(answer["AlarmContributors"])

    def _alarm(self, raw: dict[str, Any], since: datetime) -> Alarm:
        name, state = raw["AlarmName"], raw["StateValue"]
        changed = raw.get("StateUpdatedTimestamp")
        quiet = state == ALARM or changed is None or changed < since
        return Alarm(name, state, rang=not quiet and self._rang(name, since))

    def _rang(self, name: str, since: datetime) -> bool:
        """Whether the alarm went to ALARM since then, whatever it is now."""
        with translated(f"read the history of alarm {name}"):
            pages = self._cloudwatch.get_paginator("describe_alarm_history").paginate(
                AlarmName=name, AlarmTypes=TYPES, HistoryItemType="StateUpdate", StartDate=since
            )
            return any(
                item["HistorySummary"].endswith(TO_ALARM) for page in pages for item in page["AlarmHistoryItems"]
            )

    def _tagged(self, tag: str) -> list[str]:
        """Return the names of the alarms with the tag `key=value`. Raises: Invalid when there are none, or too many."""
        key, _, value = tag.partition("=")
        with translated(f"find alarms with tag {tag}"):
            pages = self._tagging.get_paginator("get_resources").paginate(
                TagFilters=[{"Key": key, "Values": [value]}], ResourceTypeFilters=["cloudwatch:alarm"]
            )
            arns = [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]
        if not 0 < len(arns) <= AT_ONCE:
            raise Invalid(f"{len(arns)} CloudWatch alarms have the tag {tag}; expected 1 to {AT_ONCE}")
        return [arn.partition(":alarm:")[2] for arn in arns]
