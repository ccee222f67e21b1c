"""What CloudWatch answers about alarms that another alarm named: the same models read it as read its events.

DescribeAlarms spells in capitals what events spell in small letters, and has a metric's name beside the alarm, not in a
list, where there is one metric only.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from gpuops.domain.errors import Invalid
from gpuops.domain.faults.fault import GpuFault
from gpuops.signals.alarm import Alarm
from gpuops.signals.alarms import fault_of, kind_of


def asked_faults(raw: Mapping[str, Any], contributors: Iterable[Mapping[str, Any]], at: datetime) -> list[GpuFault]:
    """Return what one alarm of DescribeAlarms says, or each of its contributors; nothing for one that does not ring.

    Raises: Invalid for an alarm of another shape.
    """
    try:
        alarms = [Alarm.model_validate(detail) for detail in _details(raw, list(contributors))]
    except ValidationError as error:
        raise Invalid(f"alarm {raw.get('AlarmName')}: {error.errors()[0]['msg']}") from error
    kinds = [(alarm, kind_of(alarm)) for alarm in alarms if alarm.state.value == "ALARM"]
    faults = [fault_of(alarm, kind, at) for alarm, kind in kinds if kind is not None]
    return [fault for fault in faults if fault.names_a_place]


def _details(raw: Mapping[str, Any], contributors: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The alarm as events have it: once, or once for each contributor."""
    at = raw.get("StateTransitionedTimestamp") or raw.get("StateUpdatedTimestamp")
    detail = {
        "alarmName": raw.get("AlarmName"),
        "state": {
            "value": raw.get("StateValue"),
            "reason": raw.get("StateReason") or "",
            "reasonData": raw.get("StateReasonData") or "",
            "timestamp": at,
        },
        "configuration": {"description": raw.get("AlarmDescription") or "", "metrics": _metrics(raw)},
    }
    if not contributors:
        return [detail]
    return [
        detail | {"alarmContributor": {"id": one["ContributorId"], "attributes": one["ContributorAttributes"]}}
        for one in contributors
    ]


def _metrics(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its metrics, or the one beside it, or the query of PromQL."""
    if "MetricName" in raw:
        return [{"metricStat": {"metric": _metric(raw)}}]
    if promql := raw.get("EvaluationCriteria", {}).get("PromQLCriteria", {}).get("Query"):
        return [{"expression": promql}]
    return [
        {"metricStat": {"metric": _metric(one["MetricStat"]["Metric"])}}
        if "MetricStat" in one
        else {"expression": one.get("Expression") or ""}
        for one in raw.get("Metrics", ())
    ]


def _metric(raw: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = {one["Name"]: one["Value"] for one in raw.get("Dimensions", ())}
    return {"namespace": raw.get("Namespace", ""), "name": raw.get("MetricName", ""), "dimensions": dimensions}
