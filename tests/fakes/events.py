"""Events in EventBridge's envelope, with invented identifiers, in the shapes that AWS documents."""

from typing import Any

INSTANCE, UUID = "i-0123456789abcdef0", "GPU-0a1b2c3d-0000-1111-2222-333344445555"
NODE = "ip-10-0-1-7.ec2.internal"
AT = "2026-11-23T10:00:00Z"


def event(source: str, kind: str, detail: Any, **more: Any) -> dict[str, Any]:
    """Return one event; what is given beside its detail replaces the envelope's own."""
    envelope = {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000001",
        "detail-type": kind,
        "source": source,
        "account": "111122223333",
        "time": AT,
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }
    return envelope | more


def metric_alarm(
    metric: str = "DCGM_FI_DEV_XID_ERRORS", namespace: str = "gpus", *, value: str = "ALARM", **more: Any
) -> dict[str, Any]:
    """Return an alarm over one metric of one GPU."""
    dimensions = {"ClusterName": "demo", "NodeName": NODE, "InstanceId": INSTANCE, "UUID": UUID}
    stat = {
        "metric": {"namespace": namespace, "name": metric, "dimensions": dimensions},
        "period": 60,
        "stat": "Maximum",
    }
    state = {
        "value": value,
        "reason": "Threshold Crossed: 1 datapoint [79.0] was greater than the threshold (0.0).",
        "reasonData": '{"version": "1.0", "recentDatapoints": [0.0, 79.0], "threshold": 0.0}',
        "timestamp": "2026-11-23T09:59:58.123+0000",
    }
    detail = {
        "alarmName": "gpu-alarm",
        "state": state,
        "previousState": {"value": "OK"},
        "configuration": {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]},
    }
    return event("aws.cloudwatch", "CloudWatch Alarm State Change", detail | more)


def contributor_alarm(**attributes: str) -> dict[str, Any]:
    """Return one series of a multi-series alarm: no previous state, no reasonData."""
    query = 'SELECT MAX(DCGM_FI_DEV_GPU_TEMP) FROM "gpus" GROUP BY NodeName, UUID'
    detail = {
        "alarmName": "gpu-hot",
        "alarmContributor": {"id": "6d442278dba546f6", "attributes": attributes},
        "state": {"value": "ALARM", "reason": "Threshold Crossed", "timestamp": "2026-11-23T10:00:00.000+0000"},
        "configuration": {"metrics": [{"id": "q1", "expression": query, "returnData": True, "period": 60}]},
    }
    return event("aws.cloudwatch", "CloudWatch Alarm Contributor State Change", detail)


def spot_warning() -> dict[str, Any]:
    """Return EC2's two minutes' notice."""
    detail = {"instance-id": INSTANCE, "instance-action": "terminate"}
    return event("aws.ec2", "EC2 Spot Instance Interruption Warning", detail)


def maintenance() -> dict[str, Any]:
    """Return a scheduled change of one instance."""
    detail = {
        "eventArn": "arn:aws:health:us-east-1::event/EC2/x",
        "service": "EC2",
        "eventTypeCode": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
        "eventTypeCategory": "scheduledChange",
        "startTime": "Sat, 05 Dec 2026 15:10:09 GMT",
        "affectedEntities": [{"entityValue": INSTANCE}],
    }
    return event("aws.health", "AWS Health Event", detail, resources=[INSTANCE])
